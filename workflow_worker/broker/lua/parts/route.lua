-- What becomes of a stream entry that this consumer now owns: a row to run, or settled
-- here and now (duplicate, ignored, fanned out, dead). Everything about an entry is
-- checked before its first write. Wants: consumer, max_payload, dedup_ttl, now.
--
-- A row: entry, delivery count, workflow, fields, and, where the execution may have run
-- before, its record {status, step, attempt, state, version} and its journal.
local rows, settled = {}, {}
local tally = {events_duplicate = 0, events_ignored = 0, events_failed = 0,
               events_succeeded = 0}
local wanted_by = {}

local function add_new(list, workflow)
  for _, known in ipairs(list) do if known == workflow then return end end
  list[#list + 1] = workflow
end

-- The workflows an event name starts, from the fleet's routes; looked up once a call.
local function route(name)
  local found = wanted_by[name]
  if found then return found end
  local raw = redis.call('HMGET', P .. 'routes', '=' .. name, '*')
  found = raw[1] and cjson.decode(raw[1]) or {}
  if raw[2] then
    for _, rule in ipairs(cjson.decode(raw[2])) do
      if string.find(name, rule[1]) then add_new(found, rule[2]) end
    end
  end
  wanted_by[name] = found
  return found
end

local function settle(entry, outcome)
  settled[#settled + 1] = entry
  if outcome then tally[outcome] = tally[outcome] + 1 end
end

local function reject(entry, fields, message)
  bury(entry, fields, {category = 'permanent', error_type = 'InvalidEvent',
    message = message, attempts = 0, deliveries = 1, first_ms = number(now),
    last_ms = number(now)})
  settle(entry, 'events_failed')
end

local function hand_out(entry, deliveries, workflow, fields, event)
  local row = {entry, deliveries, workflow, fields}
  -- A first delivery of an event without an id of its own cannot have run before.
  if deliveries > 1 or event.id or event._origin then
    local id = PARTITION .. '-' .. (event.id or event._origin or entry) .. '.' .. workflow
    local record = redis.call('HMGET', P .. 'x:' .. id, 'status', 'step', 'attempt',
      'state', 'version')
    if record[1] == 'completed' or record[1] == 'failed' or record[1] == 'cancelled' then
      return settle(entry, 'events_duplicate')
    end
    if record[1] then
      row[5] = record
      row[6] = redis.call('LRANGE', P .. 'j:' .. id, 0, -1)
    end
  end
  rows[#rows + 1] = row
end

-- Several workflows want it: one copy each, which no longer counts as an event.
local function fan_out(entry, fields, event, workflows)
  local origin = event.id or event._origin or entry
  for _, workflow in ipairs(workflows) do
    local copy = {}
    for i = 1, #fields do copy[i] = fields[i] end
    for _, v in ipairs({'_workflow', workflow, '_origin', origin, '_counted', '1'}) do
      copy[#copy + 1] = v
    end
    redis.call('XADD', EVENTS, '*', unpack(copy))
  end
  settle(entry, 'events_succeeded')
end

-- True if this publish id was seen before, in another entry.
local function seen_before(entry, event)
  local key = P .. 'once:' .. event.id
  if redis.call('SET', key, entry, 'NX', 'PX', dedup_ttl) then return false end
  return redis.call('GET', key) ~= entry
end

local function admit(entry, deliveries, fields)
  if #fields > 1000 then
    return reject(entry, fields, 'more than 500 fields')
  end
  local event = as_map(fields)
  if not event.name or event.name == '' then
    return reject(entry, fields, 'the field "name" is missing')
  elseif event.payload and #event.payload > max_payload then
    return reject(entry, fields, 'the payload has ' .. #event.payload ..
      ' bytes, MAX_PAYLOAD_BYTES is ' .. max_payload)
  elseif event._workflow then
    return hand_out(entry, deliveries, event._workflow, fields, event)
  end
  local workflows = route(event.name)
  if #workflows == 0 then
    return settle(entry, 'events_ignored')
  elseif event.id and seen_before(entry, event) then
    return settle(entry, 'events_duplicate')
  elseif #workflows == 1 then
    return hand_out(entry, deliveries, workflows[1], fields, event)
  end
  return fan_out(entry, fields, event, workflows)
end

-- One entry that can't be handled must not take its neighbours with it.
local function admit_safely(entry, deliveries, fields)
  local fine, problem = pcall(admit, entry, deliveries, fields)
  if not fine then
    local text = type(problem) == 'table' and problem.err or tostring(problem)
    reject(entry, fields, 'could not be routed: ' .. text)
  end
end

local function answer(next_timer)
  if #settled > 0 then ack(settled) end
  for name, by in pairs(tally) do count(name, by) end
  return {rows, next_timer or -1, tally.events_succeeded, tally.events_failed,
          tally.events_ignored, tally.events_duplicate, now}
end
