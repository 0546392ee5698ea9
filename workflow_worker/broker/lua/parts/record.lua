-- The record of an execution: how it begins and how it goes on.
--include status opening

-- The event of a record, flat, as it stood in the stream.
local function event_of(record)
  local fields = {'_origin', record.origin, 'key', record.key}
  for name, value in pairs(record) do
    if string.sub(name, 1, 2) == 'e:' then
      fields[#fields + 1] = string.sub(name, 3)
      fields[#fields + 1] = value
    end
  end
  return fields
end

local function is_closed(status)
  return status == 'completed' or status == 'failed' or status == 'cancelled'
end

local function wake(id) redis.call('XADD', EVENTS, '*', '_wake', id) end

-- Makes an execution that waits run again.
local function resume(id, from, now)
  redis.call('HSET', P .. 'x:' .. id, 'status', 'running')
  move_status(id, from, 'running', now)
  wake(id)
end
