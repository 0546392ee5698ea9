-- cancel: end an execution on an operator's word.
--
-- KEYS    1 partition prefix
-- ARGV    1 execution id  2 RESULT_TTL_MS  3 EARLY_TTL_MS  4 RESULT_LIMIT
-- Returns 'cancelled' at once; 'asked' if it runs, or has to run once more for its
--         compensations: append and commit honour it; its status if it has ended;
--         '' if there is no such execution
-- Keeps   one wake: who has one outstanding is only asked.
--include keys letters retention record timers inbox
local id, early_ttl = ARGV[1], tonumber(ARGV[3])
-- What the parent is told always has room.
local inbox_limit = math.huge
local now = server_ms()
--include signals close

local X = P .. 'x:' .. id
local record = fields_of(id, 'status', 'workflow', 'key', 'due', 'again', 'parent', 'mark',
  'undo', 'uncounted')
if not record.status then return '' end
if is_closed(record.status) then return record.status end
if record.status == 'running' or record.undo then
  redis.call('HDEL', X, 'cancel')  -- a full server allows this, and then the rest
  redis.call('HSET', X, 'cancel', '1')
  if record.status ~= 'running' then resume(id, record.status, now) end
  return 'asked'
end
shut(id, record, 'cancelled')
redis.call('HSET', X, 'status', 'cancelled', 'updated', number(now))
redis.call('HDEL', X, 'error_type', 'message', 'category', 'uncounted')
redis.call('HINCRBY', X, 'step', 1)
move_status(id, record.status, 'cancelled', now)
count('executions_cancelled', 1)
if record.uncounted then count('events_succeeded', 1) end
if record.parent then tell_parent(record, {'status', 'cancelled'}) end
retire(id, tonumber(ARGV[2]))
forget_beyond(tonumber(ARGV[4]), 1)
return 'cancelled'
