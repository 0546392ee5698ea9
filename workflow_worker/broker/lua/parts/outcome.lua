-- Carrying out one decision on a record that its owner holds. Wants what close wants.

local function bury_failed(d, fields, record)
  return bury(d.entry, fields, {workflow = d.workflow, execution_id = d.id,
    category = d.category, error_type = d.error_type, message = d.message,
    reason = d.reason, action = d.action, exit = d.exit,
    traceback = d.traceback, attempts = d.attempts, deliveries = d.deliveries,
    first_ms = record.started or number(now), last_ms = number(now)})
end

local function extend_journal(d)
  for i, entry in ipairs(d.journal) do add_entry(d.id, entry, d.consumed[i]) end
end

local function send_out(d)
  for _, emit in ipairs(d.emits) do
    if emit.delay > 0 then
      delay_event(emit.id, now + emit.delay, emit.fields)
    else
      redis.call('XADD', EVENTS, '*', 'published_at', number(now), unpack(emit.fields))
    end
  end
end

-- After a retry the same child may be asked for again: there is only one, and the parent
-- hears once more of its end.
local function is_started(child)
  local known = fields_of(child.id, 'status', 'parent', 'mark', 'result', 'error_type',
    'message', 'category')
  if known.status and is_closed(known.status) then tell_parent(known, end_of(known)) end
  return known.status ~= nil
end

-- A child has its record before its first run: its parent names it already.
local function start_child(d, child)
  local fields = {'name', child.workflow, 'payload', child.payload, 'key', child.key,
                  '_origin', child.id}
  open_record(child.id, child.workflow, fields, child.id, now,
    {'parent', d.id, 'mark', child.mark})
  if takes_signals(child.workflow) then
    open_for_signals(child.id, child.workflow, fields_of(child.id, 'key').key)
  end
  redis.call('XADD', EVENTS, '*', '_wake', child.id)
end

local function start_children(d)
  for _, child in ipairs(d.children) do
    if not is_started(child) then start_child(d, child) end
  end
end

-- Suspended or to be tried again: it goes on when what it waits for is there or over, or
-- at d.again, whichever comes first.
local function suspend(d, record)
  local X, due = P .. 'x:' .. d.id, d.due
  -- A compensation can have the ordinal of the wait that was cancelled for it.
  if d.outcome == 'suspended' and record.wait and tonumber(record.wait) == d.wait then
    due = tonumber(record.due)
  elseif d.delay then
    due = now + d.delay
  end
  -- The code may take signals that it did not when the execution began. Before it counts
  -- as waiting: what was early for it must not make a wake beside the one below.
  if d.signals then open_for_signals(d.id, record.workflow, record.key) end
  local names = ''
  if #d.names > 0 then names = '\0' .. table.concat(d.names, '\0') .. '\0' end
  local retrying = d.outcome == 'retrying'
  local status = retrying and 'retrying' or 'waiting'
  local args = {'wait', d.wait, 'names', names, 'status', status}
  local function set(name, value)
    if value then
      args[#args + 1] = name
      args[#args + 1] = value
    elseif record[name] then
      redis.call('HDEL', X, name)
    end
  end
  set('due', due and number(due))
  set('again', d.again and number(d.again))
  set('retry', retrying and '1')
  redis.call('HSET', X, unpack(args))
  redis.call('HDEL', X, 'fired')
  local first = due
  if d.again and (not due or d.again < due) then first = d.again end
  local over = d.again and d.again <= now
  if first and not over then
    set_timer('w:' .. d.id, first)
  elseif record.due or record.again then
    cancel_timer('w:' .. d.id)
  end
  if over or has_any(d.id, names) then
    resume(d.id, nil, now)
  else
    move_status(d.id, 'running', status, now)
  end
end

-- The function failed and runs again from the top. Its event counts when that has come to
-- something.
local function try_again(d, record)
  local X = P .. 'x:' .. d.id
  if d.attempt > 0 then
    redis.call('HSET', X, 'attempt', d.attempt)
    count('retries', 1)
  end
  if d.counts and not record.uncounted then redis.call('HSET', X, 'uncounted', '1') end
  suspend(d, record)
end

local function continue_as_new(d, record)
  local X, I = P .. 'x:' .. d.id, P .. 'in:' .. d.id
  redis.call('DEL', P .. 'j:' .. d.id)
  redis.call('HINCRBY', X, 'run', 1)
  redis.call('HSET', X, 'e:payload', d.payload, 'base', d.base)
  -- With an empty journal any version can go on: the one that is current then.
  redis.call('HDEL', X, 'wait', 'names', 'due', 'again', 'retry', 'fired', 'version',
    'attempt')
  if record.due or record.again then cancel_timer('w:' .. d.id) end
  -- Nobody has the handles of its children any more.
  if tonumber(redis.call('HGET', I, 'c') or 0) > 0 then
    for _, field in ipairs(redis.call('HKEYS', I)) do
      local name = string.match(field, '^%d+:(/.*)$')
      if name then pop(d.id, name) end
    end
  end
  resume(d.id, nil, now)
end

local function remember(d, record)
  local args = {'step', d.step + 1, 'updated', number(now)}
  local function set(name, value)
    if value then
      args[#args + 1] = name
      args[#args + 1] = value
    end
  end
  if not record.version then set('version', d.version) end
  for _, name in ipairs({'state', 'data', 'result', 'dead'}) do set(name, d[name]) end
  if d.undo then set('undo', '1') end
  local failure = {'error_type', 'message', 'category'}
  if d.error_type then
    for _, name in ipairs(failure) do set(name, d[name]) end
  elseif record.error_type then
    redis.call('HDEL', P .. 'x:' .. d.id, unpack(failure))
  end
  if d.outcome == 'failed' then
    if d.closing > 0 then
      set('closing', d.closing)
      set('seen', d.seen)
    end
  end
  if d.undone then set('undone', '1') end
  redis.call('HSET', P .. 'x:' .. d.id, unpack(args))
end

local function finish(d, record)
  shut(d.id, record, d.outcome)
  redis.call('HSET', P .. 'x:' .. d.id, 'status', d.outcome)
  move_status(d.id, 'running', d.outcome, now)
  if record.parent then
    d.status = d.outcome
    tell_parent(record, end_of(d))
  end
  retire(d.id, d.outcome, d.keep and d.ttl or 0)
end

-- What is not carried out must not stand in the journal either: a retry would take it
-- for done.
local function take_back_sending(d)
  local journal, consumed = {}, {}
  for i, entry in ipairs(d.journal) do
    local kind = string.match(entry, '^{"ordinal":%d+,"kind":"(%a+)"')
    if kind ~= 'emit' and kind ~= 'start' then
      journal[#journal + 1] = entry
      consumed[#journal] = d.consumed[i] or ''
    end
  end
  d.emits, d.children, d.journal, d.consumed = {}, {}, journal, consumed
end

-- A cancel that came while it ran: with compensations it has to run once more for them.
local function cancel_instead(d)
  take_back_sending(d)
  d.result, d.error_type, d.message, d.category = nil, nil, nil, nil
  if d.undo and not d.undone then
    d.outcome = 'running'
  else
    d.outcome, d.keep = 'cancelled', true
  end
end

local GOES_ON = {suspended = true, retrying = true, continued = true}

-- Returns 1, or 2 if a cancel made something else of it.
local function carry_out(d, fields, record)
  local answer = 1
  if record.cancel and d.outcome ~= 'cancelled' and not d.ending then
    cancel_instead(d)
    answer = 2
  end
  extend_journal(d)
  -- Without journal, result or failure there is nothing to remember but the counters.
  local kept = d.keep or record.status or GOES_ON[d.outcome]
  if d.outcome == 'failed' then d.dead = bury_failed(d, fields, record) end
  if not kept then
    count('executions_started', 1)
  elseif not record.status then
    open_record(d.id, d.workflow, fields, d.entry, now)
    record = fields_of(d.id, 'workflow', 'key')
  end
  d.counted = true
  send_out(d)
  start_children(d)
  if kept then remember(d, record) end
  if d.outcome == 'suspended' then
    suspend(d, record)
  elseif d.outcome == 'retrying' then
    try_again(d, record)
  elseif d.outcome == 'continued' then
    continue_as_new(d, record)
  elseif d.outcome == 'running' then
    resume(d.id, nil, now)
  else
    if kept then finish(d, record) end
    count('executions_' .. d.outcome, 1)
  end
  if d.counts and d.outcome ~= 'retrying' then
    count(d.outcome == 'failed' and 'events_failed' or 'events_succeeded', 1)
    if record.uncounted then redis.call('HDEL', P .. 'x:' .. d.id, 'uncounted') end
  end
  return answer
end
