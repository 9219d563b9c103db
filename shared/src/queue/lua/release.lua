-- ARGV[4] the delivery count to leave
-- Dates the delivery back to 1970, so that every lease is over and the next taker gets the message at once.
return #redis.call('XCLAIM', stream, group, consumer, 0, id, 'TIME', 0, 'RETRYCOUNT', ARGV[4], 'JUSTID')
