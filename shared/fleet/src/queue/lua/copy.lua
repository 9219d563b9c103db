-- KEYS for each pool: stream, taken, copies
local group, consumer, lease_ms, times_prefix, run_prefix = unpack(ARGV)
-- The tail of a run: nothing is left to claim, and one chunk is in somebody's hands for more than two leases and for
-- more than twice the median of its run. Whoever is idle may make it too, one copy of a chunk at most.
-- Returns {place of the pool, id, fields, deliveries, owner, 1: it may be stored}, or nothing.
lease_ms = tonumber(lease_ms)
local fewest_times, most_looked_at = 3, 100

local function run_of(fields)
  for i = 1, #fields, 2 do
    if fields[i] == 'run' then
      return fields[i + 1]
    end
  end
end

local function median(key)
  local times = redis.call('LRANGE', key, 0, -1)
  if #times < fewest_times then
    return nil
  end
  for i, text in ipairs(times) do
    times[i] = tonumber(text)
  end
  table.sort(times)
  return times[math.ceil(#times / 2)]
end

for i = 1, #KEYS, 3 do
  local stream, taken, copies = KEYS[i], KEYS[i + 1], KEYS[i + 2]
  local pending = redis.pcall('XPENDING', stream, group, '-', '+', most_looked_at)
  for _, held in ipairs(pending.err and {} or pending) do
    local id, owner, deliveries = held[1], held[2], held[4]
    local since = tonumber(redis.call('HGET', taken, id) or now)
    local old = owner ~= consumer and now - since > 2 * lease_ms
    local message = old and redis.call('HEXISTS', copies, id) == 0 and redis.call('XRANGE', stream, id, id)[1]
    local run = message and run_of(message[2])
    local typical = run and median(times_prefix .. run)
    if typical and now - since > 2 * typical then
      redis.call('HSET', copies, id, consumer)
      redis.call('HINCRBY', run_prefix .. run, 'copies', 1)
      return {(i + 2) / 3, id, message[2], deliveries, owner, 1}
    end
  end
end
return false
