-- Starts the lease anew. JUSTID: a renewal is no delivery.
return #redis.call('XCLAIM', stream, group, consumer, 0, id, 'JUSTID')
