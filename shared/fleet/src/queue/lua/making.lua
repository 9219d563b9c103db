local _, making = unpack(KEYS)
local _, _, _, chunk, num_images = unpack(ARGV)
-- A worker may have two chunks in hand: whoever counts workers has to know whose each is.
redis.call('HSET', making, chunk, num_images .. ' ' .. consumer)
return 1
