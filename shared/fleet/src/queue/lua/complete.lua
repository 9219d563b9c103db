local stream, run, queued, done, dead_chunks, cancelled, taken, copies, times, setbacks, making = unpack(KEYS)
local group, id, chunk, num_images, consumer, busy_us, idle_us = unpack(ARGV)
-- Whoever holds the message: the store has the chunk, so it is done. A chunk counts once. One that was given up or
-- cancelled meanwhile is done all the same (I10).
local most_times = 101
local held = redis.call('XACK', stream, group, id)
if held == 1 then
  redis.call('XDEL', stream, id)
  redis.call('SREM', queued, chunk)
  local since = redis.call('HGET', taken, id)
  if since then
    redis.call('LPUSH', times, now - since)
    redis.call('LTRIM', times, 0, most_times - 1)
  end
end
redis.call('HDEL', taken, id)
redis.call('HDEL', copies, id)
redis.call('HDEL', setbacks, consumer)
redis.call('HDEL', making, chunk)
local given_up = redis.call('HDEL', dead_chunks, chunk) + redis.call('SREM', cancelled, chunk)
if held + given_up == 0 then
  return 0
end
if redis.call('EXISTS', run) == 1 and redis.call('SETBIT', done, chunk, 1) == 0 then
  redis.call('HINCRBY', run, 'done_images', num_images)
  redis.call('HINCRBY', run, 'device_busy_us', busy_us)
  redis.call('HINCRBY', run, 'device_idle_us', idle_us)
end
return held
