-- KEYS run, queued, done, dead chunks, cancelled, making
-- Returns {num_chunks, num_images, done_images, submitted, copies, whether cancelled, done, dead, queued, cancelled,
-- chunks in hand, images of them that are made}, or nothing for an unknown run.
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
totals[11], totals[12] = redis.call('HLEN', KEYS[6]), 0
for _, images in ipairs(redis.call('HVALS', KEYS[6])) do
  totals[12] = totals[12] + images
end
return totals
