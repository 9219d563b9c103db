-- KEYS run, queued, done, dead chunks, cancelled
-- Returns {num_chunks, num_images, done_images, submitted, copies, whether cancelled, done, dead, queued, cancelled},
-- or nothing for an unknown run.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return false
end
local totals =
  redis.call('HMGET', KEYS[1], 'num_chunks', 'num_images', 'done_images', 'submitted', 'copies', 'cancelled')
for i = 1, 6 do
  totals[i] = totals[i] or '0'
end
totals[7] = redis.call('BITCOUNT', KEYS[3])
totals[8] = redis.call('HLEN', KEYS[4])
totals[9] = redis.call('SCARD', KEYS[2])
totals[10] = redis.call('SCARD', KEYS[5])
return totals
