-- Calls a command on any number of values, never more than 500 a call: Lua's stack.
local function in_chunks(values, call)
  if #values > 0 and #values <= 500 then return call(unpack(values)) end
  for first = 1, #values, 500 do
    call(unpack(values, first, math.min(first + 499, #values)))
  end
end

local function ack(ids)
  in_chunks(ids, function(...) redis.call('XACK', EVENTS, GROUP, ...) end)
  in_chunks(ids, function(...) redis.call('XDEL', EVENTS, ...) end)
end
