-- KEYS stream, pools, run, queued, done, dead chunks, cancelled, unfit
-- ARGV group, pool, priority, num_chunks, num_images, run id, then (chunk, task) pairs
-- Adds each chunk that is not queued yet; returns how many were added. Of a cancelled run, none.
if redis.call('HEXISTS', KEYS[3], 'cancelled') == 1 then
  return 0
end
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
  return made
end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
redis.call('HSET', KEYS[3], 'num_chunks', ARGV[4], 'num_images', ARGV[5])
local added = 0
for i = 7, #ARGV, 2 do
  local chunk = ARGV[i]
  if redis.call('SISMEMBER', KEYS[4], chunk) == 0 then
    -- First the message, then the mark: a failure between the two costs a duplicate, never a lost chunk.
    redis.call('XADD', KEYS[1], '*', 'run', ARGV[6], 'chunk', chunk, 'task', ARGV[i + 1])
    redis.call('SADD', KEYS[4], chunk)
    local known = redis.call('HDEL', KEYS[6], chunk) + redis.call('SREM', KEYS[7], chunk)
    if known + redis.call('GETBIT', KEYS[5], chunk) == 0 then
      redis.call('HINCRBY', KEYS[3], 'submitted', 1)
    end
    added = added + 1
  end
end
if added > 0 then
  -- What a worker could not make before, it is asked anew.
  redis.call('DEL', KEYS[8])
end
return added
