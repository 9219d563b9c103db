-- KEYS stream, run, queued, done, dead chunks
-- ARGV group, id, chunk, num_images
-- Whoever holds the message: the store has the chunk, so it is done. A chunk counts once.
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then
  return 0
end
redis.call('XDEL', KEYS[1], ARGV[2])
redis.call('SREM', KEYS[3], ARGV[3])
redis.call('HDEL', KEYS[5], ARGV[3])
if redis.call('EXISTS', KEYS[2]) == 1 and redis.call('SETBIT', KEYS[4], ARGV[3], 1) == 0 then
  redis.call('HINCRBY', KEYS[2], 'done_images', ARGV[4])
end
return 1
