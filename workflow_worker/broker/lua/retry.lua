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
local now = server_ms()
--include signals

local X, J = P .. 'x:' .. id, P .. 'j:' .. id
local record = fields_of(id, 'status', 'workflow', 'key', 'closing', 'undone', 'dead', 'origin')
if not record.status then return '' end
if record.status ~= 'failed' and record.status ~= 'cancelled' then return record.status end
if record.undone then return 'undone' end

-- Entries begin with their ordinal, whatever else is in them.
local function drop_from(ordinal)
  local kept, all = {}, redis.call('LRANGE', J, 0, -1)
  for _, entry in ipairs(all) do
    local own = tonumber(string.match(entry, '^{"ordinal":(%d+)'))
    if not own or own < ordinal then kept[#kept + 1] = entry end
  end
  if #kept == #all then return end
  redis.call('DEL', J)
  in_chunks(kept, function(...) redis.call('RPUSH', J, ...) end)
end

if record.closing then drop_from(tonumber(record.closing)) end
if record.dead then redis.call('XDEL', DEAD, record.dead) end
redis.call('HDEL', X, 'closing', 'dead', 'error_type', 'message', 'category', 'result', 'cancel')
redis.call('HSET', X, 'updated', number(now))
redis.call('HINCRBY', X, 'step', 1)
redis.call('ZREM', EXPIRY, id)
count('executions_' .. record.status, -1)
resume(id, record.status, now)
if takes_signals(record.workflow) then open_for_signals(id, record.workflow, record.key) end
return 'retried'
