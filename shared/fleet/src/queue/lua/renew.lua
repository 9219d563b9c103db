local _, workers = unpack(KEYS)
-- Starts the lease anew. JUSTID: a renewal is no delivery.
redis.call('ZADD', workers, now, consumer)
return #redis.call('XCLAIM', stream, group, consumer, 0, id, 'JUSTID')
