-- The record of an execution: made when there first is something to remember. Its event
-- is kept under 'e:', as in a dead letter, but for key and id, which have fields of their
-- own, and the wish to keep it; what else we marked it with is left out.

-- What a new record says, flat, but for its status; and its key.
local function opening(workflow, fields, entry, now, more)
  local event = as_map(fields)
  local origin = event.id or event._origin or entry
  local key = event.key
  if not key or key == '' then key = origin end
  local args = more or {}
  for _, value in ipairs({'workflow', workflow, 'step', '0', 'started', number(now),
                          'updated', number(now), 'origin', origin, 'key', key}) do
    args[#args + 1] = value
  end
  if entry ~= origin then
    args[#args + 1] = 'start'
    args[#args + 1] = entry
  end
  if event._keep then
    args[#args + 1] = 'keep'
    args[#args + 1] = event._keep
  end
  for name, value in pairs(event) do
    if name ~= 'id' and name ~= 'key' and string.sub(name, 1, 1) ~= '_' then
      args[#args + 1] = 'e:' .. name
      args[#args + 1] = value
    end
  end
  return args, key
end

local function set_fields(id, args)
  in_chunks(args, function(...) redis.call('HSET', P .. 'x:' .. id, ...) end)
end

-- Returns its key.
local function open_record(id, workflow, fields, entry, now, more)
  local args, key = opening(workflow, fields, entry, now, more)
  args[#args + 1], args[#args + 2] = 'status', 'running'
  set_fields(id, args)
  move_status(id, nil, 'running', now)
  count('executions_started', 1)
  return key
end
