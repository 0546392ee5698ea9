-- The record of an execution: made when there first is something to remember. Its event
-- is kept under 'e:', as in a dead letter, but for key and id, which have fields of their
-- own, and the wish to keep it; what else we marked it with is left out.

-- What a new record says, flat, but for its status; and its key.
local function opening(workflow, fields, entry, now, more)
  local ours, at = {}, number(now)
  local args = {'workflow', workflow, 'step', '0', 'started', at, 'updated', at}
  local last = #args
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if name == 'id' or name == 'key' or string.sub(name, 1, 1) == '_' then
      ours[name] = value
    else
      args[last + 1], args[last + 2] = 'e:' .. name, value
      last = last + 2
    end
  end
  local origin = ours.id or ours._origin or entry
  local key = ours.key
  if not key or key == '' then key = origin end
  args[last + 1], args[last + 2], args[last + 3], args[last + 4] = 'origin', origin, 'key', key
  if entry ~= origin then args[#args + 1], args[#args + 2] = 'start', entry end
  if ours._keep then args[#args + 1], args[#args + 2] = 'keep', ours._keep end
  for _, value in ipairs(more or {}) do args[#args + 1] = value end
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
