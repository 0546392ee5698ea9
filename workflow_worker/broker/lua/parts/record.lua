-- The record of an execution: made when there first is something to remember.
-- Its event is kept under 'e:', as in a dead letter.
local function open_record(id, workflow, version, fields, status, now)
  local args = {'workflow', workflow, 'version', version, 'status', status, 'step', '0',
    'attempt', '1', 'started', number(now), 'updated', number(now)}
  redis.call('HSET', P .. 'x:' .. id, unpack(prefixed(fields, args)))
  redis.call('ZADD', P .. 'by-status:' .. status, number(now), id)
  count('executions_started', 1)
end

local function move_status(id, from, to, now)
  if from and from ~= to then redis.call('ZREM', P .. 'by-status:' .. from, id) end
  redis.call('ZADD', P .. 'by-status:' .. to, number(now), id)
end
