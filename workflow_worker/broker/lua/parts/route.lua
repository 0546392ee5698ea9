-- What becomes of a stream entry that this consumer now owns: a row to run, or settled
-- here and now (duplicate, ignored, delivered, fanned out, dead). Everything about an
-- entry is checked before its first write. Wants: consumer, max_payload, dedup_ttl, now,
-- and plain.
--
-- A row: entry, delivery count, workflow, fields, and, where the execution has a record,
-- that, its journal, its inbox, whether this is all of the inbox, and, where the fields
-- do not say, its id.
local settled = {}
local tally = {events_duplicate = 0, events_ignored = 0, events_failed = 0,
               events_succeeded = 0}
-- Whether the entry at hand is an event that was not counted before.
local uncounted = true

local function settle(entry, outcome)
  settled[#settled + 1] = entry
  if outcome and uncounted then tally[outcome] = tally[outcome] + 1 end
end

local function reject(entry, fields, message)
  bury(entry, fields, {category = 'permanent', error_type = 'InvalidEvent',
    message = message, attempts = 0, deliveries = 1, first_ms = number(now),
    last_ms = number(now)})
  settle(entry, 'events_failed')
end

local RECORD = {'status', 'step', 'attempt', 'state', 'version', 'run', 'fired', 'cancel',
                'base', 'started', 'retry', 'uncounted', 'resumed'}

-- Adds to a row what is known of the execution, given what its record holds.
local function with_record(row, id, names, values)
  row[5] = values
  row[6] = redis.call('LRANGE', P .. 'j:' .. id, 0, -1)
  row[7], row[8] = contents(id, names)
end

local function hand_out_wake(entry, deliveries, event)
  local id = event._wake
  local record = as_map(redis.call('HGETALL', P .. 'x:' .. id))
  if record.status ~= 'running' then return settle(entry) end
  local fields = event_of(record)
  event._keep = record.keep
  for _, mark in ipairs({'_wake', '_deliveries', '_since', '_why', '_exit', '_keep'}) do
    if event[mark] then
      fields[#fields + 1] = mark
      fields[#fields + 1] = event[mark]
    end
  end
  local row = {entry, deliveries, record.workflow, fields}
  local values = {}
  for i, name in ipairs(RECORD) do values[i] = record[name] or false end
  with_record(row, id, record.names, values)
  row[9] = id
  rows[#rows + 1] = row
end

local function id_of(workflow, event, entry)
  return PARTITION .. '-' .. (event.id or event._origin or entry) .. '.' .. workflow
end

-- A workflow that takes signals has its record from here on: what follows in the stream
-- must find it open.
local function begin(entry, fields, event, workflow, id)
  local key = open_record(id, workflow, fields, entry, now)
  open_for_signals(id, workflow, key)
end

-- True if the record is of an event with this id that came before this one.
local function is_of_another(record, entry, event)
  if record.status ~= 'running' then return true end
  return not event._workflow and (record.start or record.origin) ~= entry
end

local function hand_out(entry, deliveries, workflow, fields, event, takes, fresh)
  local row = {entry, deliveries, workflow, fields}
  -- What is read for the first time, and has no id of its own, can't have a record.
  local known = not fresh or event.id or event._origin
  if known or takes == 1 then
    local id = id_of(workflow, event, entry)
    local record = known and fields_of(id, 'status', 'start', 'origin', 'names') or {}
    if record.status and is_of_another(record, entry, event) then
      return settle(entry, 'events_duplicate')
    elseif not record.status and takes == 1 then
      begin(entry, fields, event, workflow, id)
      record.status = 'running'
    end
    if record.status then
      local values = redis.call('HMGET', P .. 'x:' .. id, unpack(RECORD))
      with_record(row, id, record.names, values)
    end
  end
  rows[#rows + 1] = row
end

-- Several workflows want it: one entry each, which no longer counts as an event.
local function fan_out(entry, fields, event, workflows)
  local origin = event.id or event._origin or entry
  for _, wanted in ipairs(workflows) do
    local workflow, id = wanted[1], id_of(wanted[1], event, entry)
    if wanted[2] ~= 1 then
      local copy = {}
      for i = 1, #fields do copy[i] = fields[i] end
      for _, v in ipairs({'_workflow', workflow, '_origin', origin, '_counted', '1'}) do
        copy[#copy + 1] = v
      end
      redis.call('XADD', EVENTS, '*', unpack(copy))
    elseif redis.call('EXISTS', P .. 'x:' .. id) == 0 then
      begin(entry, fields, event, workflow, id)
      wake(id)
    end
  end
  settle(entry, 'events_succeeded')
end

-- True if this publish id was seen before, in another entry.
local function seen_before(entry, event)
  local key = P .. 'once:' .. event.id
  if redis.call('SET', key, entry, 'NX', 'PX', dedup_ttl) then return false end
  return redis.call('GET', key) ~= entry
end

-- A workflow would choke on it, so it must not reach an inbox.
local function is_object(payload)
  if not payload then return true end
  local fine, value = pcall(cjson.decode, payload)
  return fine and type(value) == 'table' and string.find(payload, '^%s*{') ~= nil
end

local function is_among(starts, workflow)
  for _, wanted in ipairs(starts) do if wanted[1] == workflow then return true end end
  return false
end

local function has_name(workflows, workflow)
  for _, known in ipairs(workflows) do if known == workflow then return true end end
  return false
end

local function signal_by_id(entry, fields, event, signals)
  local id = event.execution_id
  local x, landed = fields_of(id, 'status', 'workflow'), nil
  if not x.status and #signals == 0 then
    return settle(entry, 'events_ignored')
  elseif not x.status then
    landed = keep_early('@' .. id, event.name, entry, fields)
  elseif not has_name(signals, x.workflow) then
    return reject(entry, fields, 'the workflow ' .. x.workflow .. ' takes no signal ' ..
      event.name .. ': name it in its signals=')
  else
    landed = signal_to(id, event.name, entry, fields)
  end
  settle(entry, landed and 'events_succeeded' or 'events_failed')
end

-- As it is kept, away from its entry: its id has to go with it.
local function with_id(entry, fields, event)
  if event.id or event._origin then return fields end
  local copy = {}
  for i = 1, #fields do copy[i] = fields[i] end
  copy[#copy + 1], copy[#copy + 2] = '_origin', entry
  return copy
end

local function is_addressed(event) return event.execution_id and event.execution_id ~= '' end

-- Where an event that is a signal goes. Returns true if it is settled by that.
local function signal(entry, fields, event, starts, signals)
  if not is_object(event.payload) then
    reject(entry, fields, 'the payload is no JSON object')
    return true
  elseif is_addressed(event) then
    signal_by_id(entry, with_id(entry, fields, event), event, signals)
    return true
  elseif not event.key or event.key == '' then
    if #starts > 0 then return false end
    reject(entry, fields, 'a signal needs a key or an execution_id')
    return true
  end
  local kept, landed = with_id(entry, fields, event), false
  for _, workflow in ipairs(signals) do
    local starts_it = is_among(starts, workflow)
    landed = signal_by_key(workflow, event.key, event.name, entry, kept, starts_it) or landed
  end
  if #starts > 0 then return false end
  settle(entry, landed and 'events_succeeded' or 'events_failed')
  return true
end

local function admit(entry, deliveries, fields, fresh)
  local event = as_map(fields)
  uncounted = not event._counted
  if #fields > 1000 then
    return reject(entry, fields, 'more than 500 fields')
  end
  if event._wake then
    return hand_out_wake(entry, deliveries, event)
  elseif not event.name or event.name == '' then
    return reject(entry, fields, 'the field "name" is missing')
  elseif event.payload and #event.payload > max_payload then
    return reject(entry, fields, 'the payload has ' .. #event.payload ..
      ' bytes, MAX_PAYLOAD_BYTES is ' .. max_payload)
  elseif event._workflow then
    local takes = takes_signals(event._workflow) and 1 or 0
    return hand_out(entry, deliveries, event._workflow, fields, event, takes, fresh)
  end
  local starts, signals = route(event.name)
  -- What is addressed to an execution is a signal, whatever its name starts elsewhere.
  local is_signal = #signals > 0 or is_addressed(event)
  if #starts == 0 and not is_signal then
    return settle(entry, 'events_ignored')
  elseif event.id and seen_before(entry, event) then
    return settle(entry, 'events_duplicate')
  elseif fresh and is_signal and signal(entry, fields, event, starts, signals) then
    return
  elseif #starts == 0 then
    return settle(entry)
  elseif #starts == 1 then
    return hand_out(entry, deliveries, starts[1][1], fields, event, starts[1][2],
                    fresh)
  end
  return fan_out(entry, fields, event, starts)
end

-- One entry that can't be handled must not take its neighbours with it.
local function admit_safely(entry, deliveries, fields, fresh)
  local fine, problem = pcall(admit, entry, deliveries, fields, fresh)
  if not fine then
    local text = type(problem) == 'table' and problem.err or tostring(problem)
    reject(entry, fields, 'could not be routed: ' .. text)
  end
end

local function answer(next_timer)
  if #settled > 0 then ack(settled) end
  for name, by in pairs(tally) do count(name, by) end
  write_counts()
  return {plain, rows, next_timer or -1, tally.events_succeeded, tally.events_failed,
          tally.events_ignored, tally.events_duplicate, now}
end
