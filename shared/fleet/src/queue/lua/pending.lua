-- KEYS stream, live workers
-- ARGV group, consumer, id
-- Whether a copied chunk is still in anybody's hands: if not, it is done or gone.
redis.call('ZADD', KEYS[2], now, ARGV[2])
local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
if held.err and not string.find(held.err, 'NOGROUP', 1, true) then
  return held
end
return held.err and 0 or #held
