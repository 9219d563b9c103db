local stream, pools, run, queued, done, dead_chunks, cancelled, unfit = unpack(KEYS)
local group, pool, priority, num_chunks, num_images, run_id = unpack(ARGV, 1, 6)
-- Then follow (chunk, task) pairs.
-- Adds each chunk that is not queued yet; returns how many were added. Of a cancelled run, none.
if redis.call('HEXISTS', run, 'cancelled') == 1 then
  return 0
end
local made = redis.pcall('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
  return made
end
redis.call('ZADD', pools, priority, pool)
redis.call('HSET', run, 'num_chunks', num_chunks, 'num_images', num_images)
local added = 0
for i = 7, #ARGV, 2 do
  local chunk = ARGV[i]
  if redis.call('SISMEMBER', queued, chunk) == 0 then
    -- First the message, then the mark: a failure between the two costs a duplicate, never a lost chunk.
    redis.call('XADD', stream, '*', 'run', run_id, 'chunk', chunk, 'task', ARGV[i + 1])
    redis.call('SADD', queued, chunk)
    local known = redis.call('HDEL', dead_chunks, chunk) + redis.call('SREM', cancelled, chunk)
    if known + redis.call('GETBIT', done, chunk) == 0 then
      redis.call('HINCRBY', run, 'submitted', 1)
    end
    added = added + 1
  end
end
if added > 0 then
  -- What a worker could not make before, it is asked anew.
  redis.call('DEL', unfit)
end
return added
