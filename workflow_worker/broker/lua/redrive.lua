-- redrive: give dead letters another try, each whole or not at all.
--
-- KEYS    1 partition prefix
-- ARGV    1 EARLY_TTL_MS  2 INBOX_LIMIT  3 DEDUP_TTL_MS  4.. ids of letters
-- Returns the length of the stream, then an answer for each letter. It has left, and
--         'retried'    its execution goes on from its journal
--         'restarted'  its execution was forgotten, and begins anew
--         'published'  it never came to an execution: it is in the stream again
--         'delivered'  it is a signal: it is where there was no room for it
--         It stays where it is: 'undone' or a status, of its execution; 'child' of one
--         that is forgotten; 'full' or 'ended', of where a signal goes; 'duplicate':
--         another event with its id came since; 'wide': it has too many fields; 'error',
--         then what is wrong with its keys. 'gone': there is no such letter.
-- Keeps   single commit: the letter leaves with what comes of it, so that a call that is
--         repeated after a lost reply does nothing. No event is counted twice.
--include keys letters retention record timers inbox
local early_ttl, inbox_limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local dedup_ttl = ARGV[3]
local now = server_ms()
--include signals close reopen

-- Of its marks; the others tell of deliveries that are over.
local KEPT = {_origin = true, _keep = true, _wake = true}

local function publish_again(fields, event, letter, workflow)
  local copy = {}
  for i = 1, #fields, 2 do
    if KEPT[fields[i]] or string.sub(fields[i], 1, 1) ~= '_' then
      copy[#copy + 1] = fields[i]
      copy[#copy + 1] = fields[i + 1]
    end
  end
  local function mark(name, value)
    copy[#copy + 1] = name
    copy[#copy + 1] = value
  end
  mark('_counted', '1')
  if workflow then mark('_workflow', workflow) end
  if not event.id and not event._origin then mark('_origin', letter.entry) end
  return redis.call('XADD', EVENTS, '*', unpack(copy))
end

-- Its execution left no record. A child would not be heard of by its parent.
local function restart(fields, event, letter)
  local origin = event.id or event._origin or letter.entry
  if PARTITION .. '-' .. origin .. '.' .. letter.workflow ~= letter.execution_id then
    return 'child'
  end
  publish_again(fields, event, letter, letter.workflow)
  return 'restarted'
end

-- It keeps its id, and is the one event with it.
local function republish(fields, event, letter)
  if event._workflow or not event.id then
    publish_again(fields, event, letter, event._workflow)
    return 'published'
  end
  local once = P .. 'once:' .. event.id
  local known = redis.call('GET', once)
  if known and known ~= letter.entry then return 'duplicate' end
  local entry = publish_again(fields, event, letter)
  redis.call('SET', once, entry, 'PX', dedup_ttl)
  return 'published'
end

local function signal_execution(id, fields, event, letter)
  local status = fields_of(id, 'status').status
  if not status or is_closed(status) then return 'ended' end
  if is_full(id) then return 'full' end
  signal_to(id, event.name, letter.entry, fields)
  return 'delivered'
end

local function has_room(slot)
  for _, id in ipairs(redis.call('ZRANGE', P .. 'open:' .. slot, 0, MOST_AT_ONCE - 1)) do
    if not is_full(id) then return true end
  end
  return false
end

-- It was early: by now its execution may have begun, or ended.
local function signal_slot(slot, fields, event, letter)
  local id = string.match(slot, '^@(.*)$')
  if id and redis.call('EXISTS', P .. 'x:' .. id) == 1 then
    return signal_execution(id, fields, event, letter)
  elseif redis.call('EXISTS', P .. 'late:' .. slot) == 1 then
    return 'ended'
  elseif redis.call('EXISTS', P .. 'open:' .. slot) == 1 then
    if not has_room(slot) then return 'full' end
    local workflow, key = string.match(slot, '^([^:]*):(.*)$')
    signal_by_key(workflow, key, event.name, letter.entry, fields, false)
  elseif redis.call('ZCARD', P .. 'early:' .. slot) >= inbox_limit then
    return 'full'
  else
    keep_early(slot, event.name, letter.entry, fields)
  end
  return 'delivered'
end

local function deliver_again(fields, event, letter)
  local answer
  if letter.slot then
    answer = signal_slot(letter.slot, fields, event, letter)
  else
    answer = signal_execution(letter.execution_id, fields, event, letter)
  end
  if answer == 'delivered' then count('signals_dead', -1) end
  return answer
end

local function redrive(id)
  local letter, fields = read_letter(id)
  if not letter then return 'gone' end
  local event, answer = as_map(fields), nil
  if #fields > 1000 then
    answer = 'wide'
  elseif letter.workflow then
    local record = fields_of(letter.execution_id, 'status', 'dead')
    if not record.status then
      answer = restart(fields, event, letter)
    elseif record.dead ~= id then
      answer = record.status
    else
      answer = reopen(letter.execution_id)
    end
  elseif letter.error_type == 'InboxFull' and (letter.execution_id or letter.slot) then
    answer = deliver_again(fields, event, letter)
  else
    answer = republish(fields, event, letter)
  end
  local left = {retried = true, restarted = true, published = true, delivered = true}
  if left[answer] then redis.call('XDEL', DEAD, id) end
  return answer
end

-- Changes nothing and needs no memory, so a full server allows it, and with it all that
-- follows: what is in the stream takes the place of a letter.
redis.call('HDEL', STATS, '')
local answers = {}
for i = 4, #ARGV do
  local fine, answer = pcall(redrive, ARGV[i])
  if not fine then
    answer = 'error ' .. (type(answer) == 'table' and answer.err or tostring(answer))
  end
  answers[#answers + 1] = answer
end
return {redis.call('XLEN', EVENTS), unpack(answers)}
