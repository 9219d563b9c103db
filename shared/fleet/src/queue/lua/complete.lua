-- KEYS stream, run, queued, done, dead chunks, cancelled, taken, copies, times, setbacks, making
-- ARGV group, id, chunk, num_images, consumer
-- Whoever holds the message: the store has the chunk, so it is done. A chunk counts once. One that was given up or
-- cancelled meanwhile is done all the same (I10).
local most_times = 101
local id, chunk = ARGV[2], ARGV[3]
local held = redis.call('XACK', KEYS[1], ARGV[1], id)
if held == 1 then
  redis.call('XDEL', KEYS[1], id)
  redis.call('SREM', KEYS[3], chunk)
  local since = redis.call('HGET', KEYS[7], id)
  if since then
    redis.call('LPUSH', KEYS[9], now - since)
    redis.call('LTRIM', KEYS[9], 0, most_times - 1)
  end
end
redis.call('HDEL', KEYS[7], id)
redis.call('HDEL', KEYS[8], id)
redis.call('HDEL', KEYS[10], ARGV[5])
redis.call('HDEL', KEYS[11], chunk)
local given_up = redis.call('HDEL', KEYS[5], chunk) + redis.call('SREM', KEYS[6], chunk)
if held + given_up == 0 then
  return 0
end
if redis.call('EXISTS', KEYS[2]) == 1 and redis.call('SETBIT', KEYS[4], chunk, 1) == 0 then
  redis.call('HINCRBY', KEYS[2], 'done_images', ARGV[4])
end
return held
