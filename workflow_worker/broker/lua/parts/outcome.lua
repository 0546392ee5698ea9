-- Carrying out one decision on a record that its owner holds. Wants what close wants, and
-- retired: how many have ended and are kept for a while.
--
-- What changes in the record is gathered in d.fields, flat, and d.dropped, and written
-- once: a command costs about the same whatever it carries.

local function put(d, name, value)
  if not value then return end
  d.fields[#d.fields + 1] = name
  d.fields[#d.fields + 1] = value
end

local function drop(d, record, names)
  for _, name in ipairs(names) do
    if record[name] then d.dropped[#d.dropped + 1] = name end
  end
end

local function put_or_drop(d, record, name, value)
  if value then put(d, name, value) else drop(d, record, {name}) end
end

local function write_record(d, record, status)
  put(d, 'status', status)
  set_fields(d.id, d.fields)
  if #d.dropped > 0 then redis.call('HDEL', P .. 'x:' .. d.id, unpack(d.dropped)) end
  move_status(d.id, record.status, status, now)
  if not record.status then count('executions_started', 1) end
  d.counted = true
end

local function bury_failed(d, fields, record)
  return bury(d.entry, fields, {workflow = d.workflow, execution_id = d.id,
    category = d.category, error_type = d.error_type, message = d.message,
    reason = d.reason, action = d.action, exit = d.exit,
    traceback = d.traceback, attempts = d.attempts, deliveries = d.deliveries,
    first_ms = record.started or number(now), last_ms = number(now)})
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
  local key = open_record(child.id, child.workflow, fields, child.id, now,
    {'parent', d.id, 'mark', child.mark})
  if takes_signals(child.workflow) then open_for_signals(child.id, child.workflow, key) end
  wake(child.id)
end

local function start_children(d)
  for _, child in ipairs(d.children) do
    if not is_started(child) then start_child(d, child) end
  end
end

-- Suspended or to be tried again: it goes on when what it waits for is there or over, or
-- at d.again, whichever comes first. Like all that follow it returns the new status, and
-- 'running' wants a wake.
local function suspend(d, record)
  local due = d.due
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
  put(d, 'wait', d.wait)
  put(d, 'names', names)
  put_or_drop(d, record, 'due', due and number(due))
  put_or_drop(d, record, 'again', d.again and number(d.again))
  put_or_drop(d, record, 'retry', retrying and '1')
  drop(d, record, {'fired'})
  local first = due
  if d.again and (not due or d.again < due) then first = d.again end
  local over = d.again and d.again <= now
  if first and not over then
    set_timer('w:' .. d.id, first)
  elseif record.due or record.again then
    cancel_timer('w:' .. d.id)
  end
  if over or has_any(d.id, names) then return 'running' end
  return retrying and 'retrying' or 'waiting'
end

-- The function failed and runs again from the top. Its event counts when that has come to
-- something.
local function try_again(d, record)
  if d.attempt then
    put(d, 'attempt', d.attempt)
    count('retries', 1)
  end
  if d.counts and not record.uncounted then put(d, 'uncounted', '1') end
  return suspend(d, record)
end

local function continue_as_new(d, record)
  local I = P .. 'in:' .. d.id
  redis.call('DEL', P .. 'j:' .. d.id)
  put(d, 'run', (record.run or 0) + 1)
  put(d, 'e:payload', d.payload)
  put(d, 'base', d.base)
  -- With an empty journal any version can go on: the one that is current then.
  drop(d, record, {'version', 'attempt'})
  drop(d, record, WAIT)
  if record.due or record.again then cancel_timer('w:' .. d.id) end
  -- Nobody has the handles of its children any more.
  if tonumber(redis.call('HGET', I, 'c') or 0) > 0 then
    for _, field in ipairs(redis.call('HKEYS', I)) do
      local name = string.match(field, '^%d+:(/.*)$')
      if name then pop(d.id, name) end
    end
  end
  return 'running'
end

local FAILURE = {'error_type', 'message', 'category'}

local function remember(d, record)
  put(d, 'step', d.step + 1)
  put(d, 'updated', number(now))
  if not record.version and d.outcome ~= 'continued' then put(d, 'version', d.version) end
  for _, name in ipairs({'state', 'data', 'result', 'dead'}) do put(d, name, d[name]) end
  if d.undo then put(d, 'undo', '1') end
  if d.error_type then
    for _, name in ipairs(FAILURE) do put(d, name, d[name]) end
  elseif record.error_type then
    drop(d, record, FAILURE)
  end
  if d.outcome == 'failed' and d.closing > 0 then
    put(d, 'closing', d.closing)
    put(d, 'seen', d.seen)
  end
  if d.undone then put(d, 'undone', '1') end
end

local function finish(d, record)
  -- What had no record till now was reached by nobody.
  if record.status then
    shut_out(d.id, record, d.outcome)
    drop(d, record, WAIT)
  end
  local stays = d.outcome == 'failed' or d.keep and d.ttl > 0
  if stays or not record.status then write_record(d, record, d.outcome) end
  if d.outcome ~= 'failed' then
    retire(d.id, stays and d.ttl or 0)
    if stays then retired = retired + 1 end
  end
  if record.parent then
    d.status = d.outcome
    tell_parent(record, end_of(d))
  end
end

local function go_on(d, record, decide)
  local status = decide(d, record)
  write_record(d, record, status)
  if status == 'running' then wake(d.id) end
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

local GOES_ON = {suspended = suspend, retrying = try_again, continued = continue_as_new,
                 running = function() return 'running' end}

-- Begins a record that is written with all the rest; not where it has children, for one
-- that has ended tells its parent.
local function open_now(d, fields)
  if #d.children > 0 then
    local key = open_record(d.id, d.workflow, fields, d.entry, now)
    d.counted = true
    return {status = 'running', workflow = d.workflow, key = key}
  end
  local args, key = opening(d.workflow, fields, d.entry, now)
  d.fields = args
  return {workflow = d.workflow, key = key}
end

-- Returns 1, or 2 if a cancel made something else of it.
local function carry_out(d, fields, record)
  local answer = 1
  if record.cancel and d.outcome ~= 'cancelled' and not d.ending then
    cancel_instead(d)
    answer = 2
  end
  -- Without journal, result or failure there is nothing to remember but the counters.
  local decide = GOES_ON[d.outcome]
  local kept = d.keep or record.status or decide
  if kept then add_entries(d.id, d.journal) else count_retries(d.journal) end
  consume(d.id, d.consumed)
  d.fields, d.dropped = {}, {}
  if d.outcome == 'failed' then d.dead = bury_failed(d, fields, record) end
  if not kept then
    count('executions_started', 1)
    d.counted = true
  elseif not record.status then
    record = open_now(d, fields)
  end
  send_out(d)
  start_children(d)
  if kept then
    remember(d, record)
    if d.counts and d.outcome ~= 'retrying' then drop(d, record, {'uncounted'}) end
  end
  if decide then
    go_on(d, record, decide)
  else
    if kept then finish(d, record) end
    count('executions_' .. d.outcome, 1)
  end
  if d.counts and d.outcome ~= 'retrying' then
    count(d.outcome == 'failed' and 'events_failed' or 'events_succeeded', 1)
  end
  return answer
end
