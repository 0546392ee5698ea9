-- publish: append events to the stream, stamped with the server's clock, or set them down
-- for later.
--
-- KEYS    1 partition prefix
-- ARGV    per event: when, in ms: '0' at once, '+n' after n, 'n' at that time; then how
--         many values follow, then field, value, field, value, ...
-- Returns the entry ids; for an event set down for later ''
-- Keeps   all or none of a call: the first write is refused if memory is full, and after
--         it the server checks no more. A later event is known by its id, given or made
--         by the client as _origin: the same one twice is one.
--include keys
local now = server_ms()
local ids, i = {}, 1
while i <= #ARGV do
  local when, values = ARGV[i], tonumber(ARGV[i + 1])
  local due = tonumber(when)
  if string.sub(when, 1, 1) == '+' then due = now + due end
  if due > now then
--include record timers
    local fields = {unpack(ARGV, i + 2, i + 1 + values)}
    local event = as_map(fields)
    delay_event(event.id or event._origin, due, fields)
    ids[#ids + 1] = ''
  else
    ids[#ids + 1] = redis.call('XADD', EVENTS, '*', 'published_at', number(now),
      unpack(ARGV, i + 2, i + 1 + values))
  end
  i = i + values + 2
end
return ids
