-- KEYS run, queued, done, dead chunks
-- Returns {num_chunks, num_images, done_images, done_chunks, dead_chunks, queued}, or nothing for an unknown run.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return false
end
local totals = redis.call('HMGET', KEYS[1], 'num_chunks', 'num_images', 'done_images')
for i = 1, 3 do
  totals[i] = totals[i] or '0'
end
totals[4] = redis.call('BITCOUNT', KEYS[3])
totals[5] = redis.call('HLEN', KEYS[4])
totals[6] = redis.call('SCARD', KEYS[2])
return totals
