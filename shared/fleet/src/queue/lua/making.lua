local _, making = unpack(KEYS)
local _, _, _, chunk, num_images = unpack(ARGV)
redis.call('HSET', making, chunk, num_images)
return 1
