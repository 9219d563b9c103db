local workers = KEYS[1] -- then for each pool, most urgent first: stream, taken
local group, consumer, lease_ms, done_prefix = unpack(ARGV) -- then the ids of messages that the consumer knows it was given
-- Claims one message: in each stream first what idled past the lease, then what is new.
-- Returns {{place of the pool, id, fields, deliveries, last owner, whether it was counted as done}, {}}, or {false, last id
-- of each stream}.

local function idle(stream)
  local found = redis.pcall('XPENDING', stream, group, 'IDLE', lease_ms, '-', '+', 1)
  if found.err and string.find(found.err, 'NOGROUP', 1, true) then
    redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
    return {}
  end
  return found
end

-- A message of ours that we do not know: the answer to an earlier claim was lost, which is nobody's fault.
local function unknown(stream)
  local found = redis.pcall('XPENDING', stream, group, '-', '+', 10, consumer)
  for _, held in ipairs(found.err and {} or found) do
    local known = tonumber(held[3]) >= tonumber(lease_ms)
    for i = 5, #ARGV do
      known = known or ARGV[i] == held[1]
    end
    if not known then
      return held
    end
  end
end

-- A chunk that was queued although it was done, as by two who submit at once, or to be made again.
local function is_done(fields)
  local named = {}
  for i = 1, #fields, 2 do
    named[fields[i]] = fields[i + 1]
  end
  local bit = named.run and named.chunk and redis.pcall('GETBIT', done_prefix .. named.run, named.chunk)
  return bit == 0 and 0 or 1
end

local function last_id(stream)
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      return info[i + 1]
    end
  end
  return '0-0'
end

redis.call('ZADD', workers, now, consumer)
for i = 2, #KEYS, 2 do
  local place, stream, taken = i / 2, KEYS[i], KEYS[i + 1]
  local ours = unknown(stream)
  if ours then
    local id, deliveries = ours[1], ours[4]
    local claimed = redis.call('XCLAIM', stream, group, consumer, 0, id, 'RETRYCOUNT', deliveries)
    if claimed[1] then
      redis.call('HSET', taken, id, now)
      return {{place, id, claimed[1][2], deliveries, consumer, is_done(claimed[1][2])}, {}}
    end
  end
  local found = idle(stream)
  if found.err then
    return found
  end
  while #found > 0 do
    local id, owner, deliveries = found[1][1], found[1][2], found[1][4]
    local claimed = redis.call('XCLAIM', stream, group, consumer, lease_ms, id)
    if claimed[1] then
      redis.call('HSET', taken, id, now)
      return {{place, id, claimed[1][2], deliveries + 1, owner, is_done(claimed[1][2])}, {}}
    end
    -- Pending, but no longer in the stream.
    redis.call('XACK', stream, group, id)
    redis.call('HDEL', taken, id)
    found = idle(stream)
  end
  local new = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', stream, '>')
  if new then
    local entry = new[1][2][1]
    redis.call('HSET', taken, entry[1], now)
    return {{place, entry[1], entry[2], 1, consumer, is_done(entry[2])}, {}}
  end
end

local ids = {}
for i = 2, #KEYS, 2 do
  ids[i / 2] = last_id(KEYS[i])
end
return {false, ids}
