local _, taken, unfit, workers, making = unpack(KEYS)
local _, _, _, deliveries, cause, enough, dead_after_ms, chunk = unpack(ARGV)
-- A worker that cannot make a run gives its chunk back without blame, with the delivery count to leave. Returns 2
-- instead, and leaves the chunk in its hands, when every live worker has said so often enough: nobody can make it.
redis.call('ZADD', workers, now, consumer)
redis.call('ZREMRANGEBYSCORE', workers, '-inf', now - dead_after_ms)

local function reports(worker)
  local found = redis.call('HGET', unfit, worker)
  return found and cjson.decode(found).reports or 0
end

redis.call('HSET', unfit, consumer, cjson.encode({reports = reports(consumer) + 1, cause = cause}))
local nobody = true
for _, worker in ipairs(redis.call('ZRANGE', workers, 0, -1)) do
  nobody = nobody and reports(worker) >= tonumber(enough)
end
if nobody then
  return 2
end
redis.call('HDEL', taken, id)
redis.call('HDEL', making, chunk)
return #redis.call('XCLAIM', stream, group, consumer, 0, id, 'TIME', 0, 'RETRYCOUNT', deliveries, 'JUSTID')
