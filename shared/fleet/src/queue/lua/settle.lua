-- KEYS run, done, dead chunks, cancelled
-- ARGV (chunk, num_images) pairs
-- The store has these chunks. Those that were given up or called off are done: whoever stored them could not say so.
-- Returns how many there were.
local settled = 0
for i = 1, #ARGV, 2 do
  local chunk = ARGV[i]
  if redis.call('HDEL', KEYS[3], chunk) + redis.call('SREM', KEYS[4], chunk) > 0 then
    settled = settled + 1
    if redis.call('SETBIT', KEYS[2], chunk, 1) == 0 then
      redis.call('HINCRBY', KEYS[1], 'done_images', ARGV[i + 1])
    end
  end
end
return settled
