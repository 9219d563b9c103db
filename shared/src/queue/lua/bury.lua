-- KEYS stream, dead letters and, when the message names its chunk, queued, dead chunks
-- ARGV group, consumer, id, most dead letters kept, record, message, run, chunk
redis.call('XACK', stream, group, id)
redis.call('XDEL', stream, id)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*',
  'run', ARGV[7], 'chunk', ARGV[8], 'record', ARGV[5], 'message', ARGV[6])
if KEYS[3] then
  redis.call('SREM', KEYS[3], ARGV[8])
  redis.call('HSET', KEYS[4], ARGV[8], ARGV[5])
end
return 1
