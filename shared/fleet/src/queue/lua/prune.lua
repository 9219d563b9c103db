local pools, stream, taken, copies, workers = unpack(KEYS)
local pool = ARGV[1]
-- Removes a pool that has nothing waiting and nothing in anybody's hands; with the last one, who is alive.
if redis.call('XLEN', stream) == 0 then
  redis.call('DEL', stream, taken, copies)
  redis.call('ZREM', pools, pool)
end
if redis.call('ZCARD', pools) == 0 then
  redis.call('DEL', workers)
end
return 1
