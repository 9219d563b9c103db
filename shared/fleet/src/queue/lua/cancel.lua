local stream, run, queued, cancelled, taken, making = unpack(KEYS)
local group, run_id, num_chunks, num_images, first_id, most_messages = unpack(ARGV)
-- Takes a run's messages out of a stream, out of workers' hands too; their next renewal tells them.
-- Returns {how many, id to go on from or an empty text}.
redis.call('HSET', run, 'num_chunks', num_chunks, 'num_images', num_images, 'cancelled', 1)
local entries = redis.call('XRANGE', stream, first_id, '+', 'COUNT', most_messages)
local hit = 0
for _, entry in ipairs(entries) do
  local id, named = entry[1], {}
  for i = 1, #entry[2], 2 do
    named[entry[2][i]] = entry[2][i + 1]
  end
  if named.run == run_id and named.chunk then
    redis.call('XACK', stream, group, id)
    redis.call('XDEL', stream, id)
    redis.call('HDEL', taken, id)
    redis.call('SREM', queued, named.chunk)
    redis.call('HDEL', making, named.chunk)
    hit = hit + redis.call('SADD', cancelled, named.chunk)
  end
end
local more = #entries == tonumber(most_messages)
return {hit, more and '(' .. entries[#entries][1] or ''}
