-- KEYS[2] taken, [3] consumers that cannot make the run, [4] live workers, [5] making
-- ARGV[4] the delivery count to leave, [5] cause, [6] reports until a worker is believed, [7] ms until one counts as dead,
-- [8] chunk
-- A worker that cannot make a run gives its chunk back without blame. Returns 2 instead, and leaves the chunk in its
-- hands, when every live worker has said so often enough: nobody can make it.
local cause, enough = ARGV[5], tonumber(ARGV[6])
redis.call('ZADD', KEYS[4], now, consumer)
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - ARGV[7])

local function reports(worker)
  local found = redis.call('HGET', KEYS[3], worker)
  return found and cjson.decode(found).reports or 0
end

redis.call('HSET', KEYS[3], consumer, cjson.encode({reports = reports(consumer) + 1, cause = cause}))
local nobody = true
for _, worker in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
  nobody = nobody and reports(worker) >= enough
end
if nobody then
  return 2
end
redis.call('HDEL', KEYS[2], id)
redis.call('HDEL', KEYS[5], ARGV[8])
return #redis.call('XCLAIM', stream, group, consumer, 0, id, 'TIME', 0, 'RETRYCOUNT', ARGV[4], 'JUSTID')
