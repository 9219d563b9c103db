local stream, workers = unpack(KEYS)
local group, consumer, id = unpack(ARGV)
-- Whether a copied chunk is still in anybody's hands: if not, it is done or gone.
redis.call('ZADD', workers, now, consumer)
local held = redis.pcall('XPENDING', stream, group, id, id, 1)
if held.err and not string.find(held.err, 'NOGROUP', 1, true) then
  return held
end
return held.err and 0 or #held
