-- commit: carry out what runs decided, a batch of them, each whole or not at all.
--
-- KEYS    1 partition prefix
-- ARGV    1 consumer  2 first and 3 last entry of the batch  4 RESULT_LIMIT
--         5 how many plain completions follow: entry, delivery count, ...
--         then one packed decision each: see broker/commit.py
-- Returns 1 for each committed, 0 for each that has another owner now, in order
-- Keeps   single commit: fenced by the pair, the record's step and the journal's length.
--         XACK comes first: a server out of memory still lets work leave.
--include keys fence letters record retention
local consumer, result_limit = ARGV[1], tonumber(ARGV[4])
local owned = pending_of(consumer, ARGV[2], ARGV[3])
local answers = {}

local function commit_plain(last)
  local done = {}
  for i = 6, last, 2 do
    local mine = owned[ARGV[i]] == tonumber(ARGV[i + 1])
    answers[#answers + 1] = mine and 1 or 0
    if mine then done[#done + 1] = ARGV[i] end
  end
  if #done == 0 then return end
  ack(done)
  count('events_succeeded', #done)
  count('executions_started', #done)
  count('executions_completed', #done)
end

local now
local event_of = {}

local function bury_failed(d, fields, record)
  return bury(d.entry, fields, {workflow = d.workflow, execution_id = d.id,
    category = d.category, error_type = d.error_type, message = d.message,
    traceback = d.traceback, attempts = d.attempts, deliveries = d.deliveries,
    first_ms = record.started or number(now), last_ms = number(now)})
end

local function close_record(d, fields, record)
  if not record.status then
    open_record(d.id, d.workflow, d.version, fields, d.outcome, now)
  end
  local args = {'status', d.outcome, 'step', d.step + 1, 'updated', number(now)}
  for _, name in ipairs({'state', 'result', 'dead', 'error_type', 'message'}) do
    if d[name] then
      args[#args + 1] = name
      args[#args + 1] = d[name]
    end
  end
  redis.call('HSET', P .. 'x:' .. d.id, unpack(args))
  move_status(d.id, record.status, d.outcome, now)
  if d.outcome == 'completed' then
    redis.call('ZADD', EXPIRY, number(now + d.ttl), d.id)
    forget_beyond(result_limit)
  end
end

local function carry_out(d, fields, record)
  for _, entry in ipairs(d.journal) do redis.call('RPUSH', P .. 'j:' .. d.id, entry) end
  for _, emit in ipairs(d.emits) do
    redis.call('XADD', EVENTS, '*', 'published_at', number(now), unpack(emit))
  end
  if d.outcome == 'failed' then d.dead = bury_failed(d, fields, record) end
  -- Without journal, result or failure there is nothing to remember but the counters.
  if d.keep or record.status then
    close_record(d, fields, record)
  else
    count('executions_started', 1)
  end
  count('executions_' .. d.outcome, 1)
  if d.counts then
    count(d.outcome == 'failed' and 'events_failed' or 'events_succeeded', 1)
  end
end

local function commit_decision(d)
  if owned[d.entry] ~= d.count then return 0 end
  local found = redis.call('XRANGE', EVENTS, d.entry, d.entry)[1]
  local state = redis.call('HMGET', P .. 'x:' .. d.id, 'status', 'step', 'started')
  local record = {status = state[1], step = state[2], started = state[3]}
  local length = redis.call('LLEN', P .. 'j:' .. d.id)
  if not found or tonumber(record.step or 0) ~= d.step or length ~= d.journaled then
    return 0
  end
  event_of[d.entry] = found[2]
  ack({d.entry})
  carry_out(d, found[2], record)
  return 1
end

-- Nothing rolls back here. An item whose keys are not what they should be ends as a dead
-- letter of its own, with its event, whatever part of it was carried out.
local function commit_safely(d)
  local fine, answer = pcall(commit_decision, d)
  if fine then return answer end
  local text = type(answer) == 'table' and answer.err or tostring(answer)
  local found = redis.call('XRANGE', EVENTS, d.entry, d.entry)[1]
  ack({d.entry})
  d.category, d.error_type, d.traceback = 'permanent', 'CommitRefused', ''
  d.message, d.attempts = 'the decision could not be carried out: ' .. text, 1
  bury_failed(d, found and found[2] or event_of[d.entry] or {}, {})
  count('executions_started', 1)
  count('executions_failed', 1)
  if d.counts then count('events_failed', 1) end
  return 1
end

local last_plain = 5 + 2 * ARGV[5]
commit_plain(last_plain)
if #ARGV > last_plain then now = server_ms() end
for i = last_plain + 1, #ARGV do
  answers[#answers + 1] = commit_safely(cmsgpack.unpack(ARGV[i]))
end
return answers
