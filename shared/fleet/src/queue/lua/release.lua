-- KEYS[2] taken, [3] setbacks, [4] making
-- ARGV[4] the delivery count to leave, [5] what kept the worker from finishing, or an empty text, [6] chunk
-- Dates the delivery back to 1970, so that every lease is over and the next taker gets the message at once.
redis.call('HDEL', KEYS[2], id)
redis.call('HDEL', KEYS[4], ARGV[6])
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[3], consumer, ARGV[5])
end
return #redis.call('XCLAIM', stream, group, consumer, 0, id, 'TIME', 0, 'RETRYCOUNT', ARGV[4], 'JUSTID')
