-- KEYS pools, stream, taken, copies, live workers
-- ARGV pool
-- Removes a pool that has nothing waiting and nothing in anybody's hands; with the last one, who is alive.
if redis.call('XLEN', KEYS[2]) == 0 then
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
  redis.call('ZREM', KEYS[1], ARGV[1])
end
if redis.call('ZCARD', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[5])
end
return 1
