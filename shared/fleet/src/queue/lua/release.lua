local _, taken, setbacks, making = unpack(KEYS)
local _, _, _, deliveries, cause, chunk = unpack(ARGV)
-- Dates the delivery back to 1970, so that every lease is over and the next taker gets the message at once, with the
-- delivery count to leave. The cause is what kept the worker from finishing, or an empty text.
redis.call('HDEL', taken, id)
redis.call('HDEL', making, chunk)
if cause ~= '' then
  redis.call('HSET', setbacks, consumer, cause)
end
return #redis.call('XCLAIM', stream, group, consumer, 0, id, 'TIME', 0, 'RETRYCOUNT', deliveries, 'JUSTID')
