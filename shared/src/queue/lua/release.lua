-- KEYS[2] taken
-- ARGV[4] the delivery count to leave
-- Dates the delivery back to 1970, so that every lease is over and the next taker gets the message at once.
redis.call('HDEL', KEYS[2], id)
return #redis.call('XCLAIM', stream, group, consumer, 0, id, 'TIME', 0, 'RETRYCOUNT', ARGV[4], 'JUSTID')
