-- KEYS[2] making
-- ARGV[4] chunk, [5] images of it that are made
redis.call('HSET', KEYS[2], ARGV[4], ARGV[5])
return 1
