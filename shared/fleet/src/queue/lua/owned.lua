-- Common head of renew, release and bury: KEYS[1] stream, ARGV group, consumer, id.
-- Goes on only while the message is in this consumer's hands; otherwise returns 0.
local stream, group, consumer, id = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local held = redis.pcall('XPENDING', stream, group, id, id, 1, consumer)
if held.err and not string.find(held.err, 'NOGROUP', 1, true) then
  return held
end
if held.err or #held == 0 then
  return 0
end
