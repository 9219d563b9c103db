local run, done, dead_chunks, cancelled = unpack(KEYS)
-- ARGV (chunk, num_images) pairs
-- The store has these chunks. Those that were given up or called off are done: whoever stored them could not say so.
-- Returns how many there were.
local settled = 0
for i = 1, #ARGV, 2 do
  local chunk = ARGV[i]
  if redis.call('HDEL', dead_chunks, chunk) + redis.call('SREM', cancelled, chunk) > 0 then
    settled = settled + 1
    if redis.call('SETBIT', done, chunk, 1) == 0 then
      redis.call('HINCRBY', run, 'done_images', ARGV[i + 1])
    end
  end
end
return settled
