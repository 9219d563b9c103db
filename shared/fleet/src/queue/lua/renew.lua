-- KEYS[2] live workers
-- Starts the lease anew. JUSTID: a renewal is no delivery.
redis.call('ZADD', KEYS[2], now, consumer)
return #redis.call('XCLAIM', stream, group, consumer, 0, id, 'JUSTID')
