-- KEYS stream, taken, dead letters and, when the message names its chunk, queued, dead chunks, making
-- ARGV group, consumer, id, most dead letters kept, record, message, run, chunk
redis.call('XACK', stream, group, id)
redis.call('XDEL', stream, id)
redis.call('HDEL', KEYS[2], id)
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*',
  'run', ARGV[7], 'chunk', ARGV[8], 'record', ARGV[5], 'message', ARGV[6])
if KEYS[4] then
  redis.call('SREM', KEYS[4], ARGV[8])
  redis.call('HSET', KEYS[5], ARGV[8], ARGV[5])
  redis.call('HDEL', KEYS[6], ARGV[8])
end
return 1
