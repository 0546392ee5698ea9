-- publish: append events to the stream, stamped with the server's clock.
--
-- KEYS    1 partition prefix
-- ARGV    per event: how many values follow, then field, value, field, value, ...
-- Returns the entry ids
-- Keeps   all or none of a call: the first XADD is refused if memory is full, and after
--         it the server checks no more.
--include keys
local stamp = number(server_ms())
local ids, i = {}, 1
while i <= #ARGV do
  local values = tonumber(ARGV[i])
  ids[#ids + 1] = redis.call('XADD', EVENTS, '*', 'published_at', stamp,
    unpack(ARGV, i + 1, i + values))
  i = i + values + 1
end
return ids
