local run, queued, done, dead_chunks, cancelled, making = unpack(KEYS)
-- Returns names, each with its number; nothing for an unknown run.
if redis.call('EXISTS', run) == 0 then
  return {}
end
local making_images, making_workers, seen = 0, 0, {}
for _, told in ipairs(redis.call('HVALS', making)) do
  local images, worker = string.match(told, '^(%d+) ?(.*)$')
  making_images = making_images + images
  making_workers = making_workers + (seen[worker] and 0 or 1)
  seen[worker] = true
end
local counts = {
  'done_chunks', redis.call('BITCOUNT', done),
  'dead_chunks', redis.call('HLEN', dead_chunks),
  'queued', redis.call('SCARD', queued),
  'cancelled_chunks', redis.call('SCARD', cancelled),
  'making_workers', making_workers,
  'making_images', making_images,
}
for _, name in ipairs({
  'num_chunks', 'num_images', 'done_images', 'submitted', 'copies', 'cancelled', 'device_busy_us', 'device_idle_us',
}) do
  table.insert(counts, name)
  table.insert(counts, tonumber(redis.call('HGET', run, name) or 0))
end
return counts
