-- KEYS stream, run, queued, cancelled, taken, making
-- ARGV group, run id, num_chunks, num_images, first id to look at, most messages to look at
-- Takes a run's messages out of a stream, out of workers' hands too; their next renewal tells them.
-- Returns {how many, id to go on from or an empty text}.
redis.call('HSET', KEYS[2], 'num_chunks', ARGV[3], 'num_images', ARGV[4], 'cancelled', 1)
local entries = redis.call('XRANGE', KEYS[1], ARGV[5], '+', 'COUNT', ARGV[6])
local cancelled = 0
for _, entry in ipairs(entries) do
  local id, named = entry[1], {}
  for i = 1, #entry[2], 2 do
    named[entry[2][i]] = entry[2][i + 1]
  end
  if named.run == ARGV[2] and named.chunk then
    redis.call('XACK', KEYS[1], ARGV[1], id)
    redis.call('XDEL', KEYS[1], id)
    redis.call('HDEL', KEYS[5], id)
    redis.call('SREM', KEYS[3], named.chunk)
    redis.call('HDEL', KEYS[6], named.chunk)
    cancelled = cancelled + redis.call('SADD', KEYS[4], named.chunk)
  end
end
local more = #entries == tonumber(ARGV[6])
return {cancelled, more and '(' .. entries[#entries][1] or ''}
