-- Common head of scripts about a message in hand. Goes on only while it is in this consumer's hands; otherwise returns 0.
local stream = KEYS[1]
local group, consumer, id = unpack(ARGV)
local held = redis.pcall('XPENDING', stream, group, id, id, 1, consumer)
if held.err and not string.find(held.err, 'NOGROUP', 1, true) then
  return held
end
if held.err or #held == 0 then
  return 0
end
