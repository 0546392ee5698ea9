-- retry: make a failed or cancelled execution go on from its journal.
--
-- KEYS    1 partition prefix
-- ARGV    1 execution id  2 EARLY_TTL_MS  3 INBOX_LIMIT
-- Returns 'retried'; its status if that is neither failed nor cancelled; 'undone' if its
--         compensations ran, so that its journal no longer says what is; '' if there is
--         no such execution
-- Keeps   one script: the dead letter and the journal's closing failure go, the count is
--         undone, it is open again and has one wake.
--include keys letters retention record timers inbox
local id, early_ttl, inbox_limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now, result_limit = server_ms(), math.huge
--include signals close

local X, J = P .. 'x:' .. id, P .. 'j:' .. id
local record = fields_of(id, 'status', 'workflow', 'key', 'closing', 'seen', 'undone',
  'dead')
if not record.status then return '' end
if record.status ~= 'failed' and record.status ~= 'cancelled' then return record.status end
if record.undone then return 'undone' end

-- A child that has told its end tells it again, or its parent would wait for ever. One
-- that is forgotten can't: what it told stays in the journal.
local function is_told_again(name)
  local child = as_map(redis.call('HGETALL', P .. 'x:' .. id .. name))
  if not child.status then return false end
  if is_closed(child.status) and not first_of(id, name) then push(id, name, end_of(child)) end
  return true
end

-- What ended it is done again: the step at `closing`, and whatever the function asked for
-- after it had seen that. Entries begin with their ordinal and kind.
local function is_dropped(entry, closing, seen)
  local ordinal, kind, name =
    string.match(entry, '^{"ordinal":(%d+),"kind":"(%a+)","name":"([^"]*)"')
  ordinal = tonumber(ordinal)
  if not ordinal or ordinal < closing then return false end
  local own = ordinal == closing and (closing == seen or kind == 'action' or kind == 'result')
  if not own and ordinal <= seen then return false end
  return kind ~= 'result' or is_told_again(name)
end

local function drop_failure(closing, seen)
  local kept, all = {}, redis.call('LRANGE', J, 0, -1)
  for _, entry in ipairs(all) do
    if not is_dropped(entry, closing, seen) then kept[#kept + 1] = entry end
  end
  if #kept == #all then return end
  redis.call('DEL', J)
  in_chunks(kept, function(...) redis.call('RPUSH', J, ...) end)
end

if record.closing then drop_failure(tonumber(record.closing), tonumber(record.seen)) end
if record.dead then redis.call('XDEL', DEAD, record.dead) end
redis.call('HDEL', X, 'closing', 'seen', 'dead', 'error_type', 'message', 'category', 'result',
  'cancel')
redis.call('HSET', X, 'updated', number(now))
redis.call('HINCRBY', X, 'step', 1)
redis.call('ZREM', EXPIRY, id)
count('executions_' .. record.status, -1)
resume(id, record.status, now)
if takes_signals(record.workflow) then open_for_signals(id, record.workflow, record.key) end
return 'retried'
