-- Going on with an execution that failed or was cancelled. Wants what close wants.

-- A child that has told its end tells it again, or its parent would wait for ever. One
-- that is forgotten can't: what it told stays in the journal.
local function is_told_again(id, name)
  local child = as_map(redis.call('HGETALL', P .. 'x:' .. id .. name))
  if not child.status then return false end
  if is_closed(child.status) and not first_of(id, name) then push(id, name, end_of(child)) end
  return true
end

local DONE_AGAIN = {action = true, result = true, try = true}

-- What ended it is done again: the step at `closing`, and whatever the function asked for
-- after it had seen that. Entries begin with their ordinal and kind.
local function is_dropped(id, entry, closing, seen)
  local ordinal, kind, name =
    string.match(entry, '^{"ordinal":(%d+),"kind":"(%a+)","name":"([^"]*)"')
  ordinal = tonumber(ordinal)
  if not ordinal or ordinal < closing then return false end
  local own = ordinal == closing and (closing == seen or DONE_AGAIN[kind])
  if not own and ordinal <= seen then return false end
  return kind ~= 'result' or is_told_again(id, name)
end

local function drop_failure(id, closing, seen)
  local J = P .. 'j:' .. id
  local kept, all = {}, redis.call('LRANGE', J, 0, -1)
  for _, entry in ipairs(all) do
    if not is_dropped(id, entry, closing, seen) then kept[#kept + 1] = entry end
  end
  if #kept == #all then return end
  redis.call('DEL', J)
  in_chunks(kept, function(...) redis.call('RPUSH', J, ...) end)
end

-- Returns 'retried'; its status if it has not failed or been cancelled; 'undone' if its
-- compensations ran, so that its journal no longer says what is; '' if there is no such
-- execution. Its event was counted when it ended and is not counted again; its tries
-- begin anew, for somebody has changed something.
local function reopen(id)
  local X = P .. 'x:' .. id
  local record = fields_of(id, 'status', 'workflow', 'key', 'closing', 'seen', 'undone',
    'dead')
  if not record.status then return '' end
  if record.status ~= 'failed' and record.status ~= 'cancelled' then return record.status end
  if record.undone then return 'undone' end
  -- A full server allows this, and with it what follows.
  redis.call('HDEL', X, 'error_type', 'message', 'category', 'result', 'cancel', 'attempt',
    'uncounted')
  if record.closing then drop_failure(id, tonumber(record.closing), tonumber(record.seen)) end
  redis.call('HDEL', X, 'closing', 'seen', 'dead')
  -- The time of its workflow begins anew.
  redis.call('HSET', X, 'updated', number(now), 'resumed', number(now))
  redis.call('HINCRBY', X, 'step', 1)
  redis.call('ZREM', EXPIRY, id)
  count('executions_' .. record.status, -1)
  resume(id, record.status, now)
  if takes_signals(record.workflow) then open_for_signals(id, record.workflow, record.key) end
  if record.dead then redis.call('XDEL', DEAD, record.dead) end
  return 'retried'
end
