local _, taken, dead_letters, queued, dead_chunks, making = unpack(KEYS)
local _, _, _, most_letters, record, message, run, chunk = unpack(ARGV)
-- The last three keys are there when the message names its chunk.
redis.call('XACK', stream, group, id)
redis.call('XDEL', stream, id)
redis.call('HDEL', taken, id)
redis.call('XADD', dead_letters, 'MAXLEN', '~', most_letters, '*',
  'run', run, 'chunk', chunk, 'record', record, 'message', message)
if queued then
  redis.call('SREM', queued, chunk)
  redis.call('HSET', dead_chunks, chunk, record)
  redis.call('HDEL', making, chunk)
end
return 1
