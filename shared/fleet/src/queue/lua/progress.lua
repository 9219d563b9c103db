local run, queued, done, dead_chunks, cancelled, making = unpack(KEYS)
-- Returns names, each with its number; nothing for an unknown run.
if redis.call('EXISTS', run) == 0 then
  return {}
end
local making_images = 0
for _, images in ipairs(redis.call('HVALS', making)) do
  making_images = making_images + images
end
local counts = {
  'done_chunks', redis.call('BITCOUNT', done),
  'dead_chunks', redis.call('HLEN', dead_chunks),
  'queued', redis.call('SCARD', queued),
  'cancelled_chunks', redis.call('SCARD', cancelled),
  'making_chunks', redis.call('HLEN', making),
  'making_images', making_images,
}
for _, name in ipairs({'num_chunks', 'num_images', 'done_images', 'submitted', 'copies', 'cancelled'}) do
  table.insert(counts, name)
  table.insert(counts, tonumber(redis.call('HGET', run, name) or 0))
end
return counts
