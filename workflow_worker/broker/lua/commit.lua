-- commit: carry out what runs decided, a batch of them, each whole or not at all.
--
-- KEYS    1 partition prefix
-- ARGV    1 consumer  2 first and 3 last entry of the batch  4 RESULT_LIMIT
--         5 EARLY_TTL_MS  6 INBOX_LIMIT
--         7 how many plain completions of first deliveries follow, an entry each;
--         then one packed decision each: see broker/commit.py
-- Returns 1 for each committed, 0 for each that has another owner now, 2 for each that a
--         cancel asked for meanwhile made something else of, 3 for each that could not
--         be carried out and is a dead letter, 4 for each that would be a dead letter
--         and can't be now: nothing was done; in order
-- Keeps   single commit: fenced by the pair, the record's step and the journal's length.
--         XDEL comes first: a server out of memory still lets work leave.
--include stream chunks counts fence
local consumer = ARGV[1]
local owned = pending_of(consumer, ARGV[2], ARGV[3])
local answers, done = {}, {}
local last_plain = 7 + ARGV[7]
for i = 8, last_plain do
  local mine = owned[ARGV[i]] == 1
  answers[#answers + 1] = mine and 1 or 0
  if mine then done[#done + 1] = ARGV[i] end
end
if #done > 0 then
  ack(done)
  count('events_succeeded', #done)
  count('executions_started', #done)
  count('executions_completed', #done)
  write_counts()
end
-- Most calls end here: to declare all that follows takes longer than they do.
if #ARGV == last_plain then return answers end

--include clock
local now, left, retired = server_ms(), {}, 0
--include status tries journal retention complete

local function settle()
  in_chunks(left, function(...) redis.call('XACK', EVENTS, GROUP, ...) end)
  write_counts()
  if retired > 0 then pcall(forget_beyond, tonumber(ARGV[4]), retired) end
end

-- The decision at hand, and what the short way answers; nothing, if it has to go the long
-- way. What a decision has nothing of is left out of it.
local at, d, answer = last_plain + 1, nil, nil
local function go_short()
  d, answer = nil, nil
  d = cmsgpack.unpack(ARGV[at])
  answer = complete(d)
end

local fine, problem
repeat
  fine, problem = pcall(go_short)
  if answer then
    answers[#answers + 1] = answer
    at = at + 1
  end
until not answer or at > #ARGV
if at > #ARGV then
  settle()
  return answers
end

local early_ttl, inbox_limit = tonumber(ARGV[5]), tonumber(ARGV[6])
--include names maps letters record timers inbox signals close outcome

-- Somebody may have put something else there.
local function can_bury() return type(redis.pcall('XLEN', DEAD)) == 'number' end

local function commit_decision(d)
  d.journal, d.consumed = d.journal or {}, d.consumed or {}
  d.emits, d.children = d.emits or {}, d.children or {}
  local record = as_map(redis.call('HGETALL', P .. 'x:' .. d.id))
  if tonumber(record.step or 0) ~= d.step
     or redis.call('LLEN', P .. 'j:' .. d.id) ~= d.journaled
     or (record.status and record.status ~= 'running') then
    return 0
  end
  d.counted = record.status ~= nil
  if d.counted then
    d.event = event_of(record)
  else
    local found = redis.call('XRANGE', EVENTS, d.entry, d.entry)[1]
    d.event = found and found[2]
  end
  -- Before the entry leaves: with neither entry nor letter the event would be lost.
  if d.outcome == 'failed' and not can_bury() then return 4 end
  -- An entry that is gone was deleted under its owner's feet.
  if not d.event or redis.call('XDEL', EVENTS, d.entry) == 0 then return 0 end
  left[#left + 1] = d.entry
  return carry_out(d, d.event, record)
end

-- The event of one that was refused, as its record has it or else the stream.
local function event_of_refused(d)
  local record = as_map(redis.pcall('HGETALL', P .. 'x:' .. d.id))
  if record.status then
    d.counted = true
    return event_of(record)
  end
  local found = redis.call('XRANGE', EVENTS, d.entry, d.entry)[1]
  return found and found[2] or {}
end

-- Whatever part of a decision was carried out, its execution is closed as failed.
local function close_refused(d, fields, letter)
  if not d.counted then
    open_record(d.id, d.workflow, fields, d.entry, now)
    d.counted = true
  end
  -- One of these may be what is in the way.
  for _, listing in ipairs({EXPIRY, P .. 'by-status:running', P .. 'by-status:waiting',
                            P .. 'by-status:retrying', P .. 'by-status:' .. d.outcome}) do
    pcall(redis.call, 'ZREM', listing, d.id)
  end
  redis.call('HSET', P .. 'x:' .. d.id, 'status', 'failed', 'step', d.step + 1,
    'error_type', d.error_type, 'message', d.message, 'category', d.category)
  if letter then redis.call('HSET', P .. 'x:' .. d.id, 'dead', letter) end
  move_status(d.id, nil, 'failed', now)
  local record = fields_of(d.id, 'workflow', 'key', 'due', 'again', 'parent', 'mark')
  pcall(shut, d.id, record, 'failed')
  if record.parent then
    tell_parent(record, {'status', 'failed', 'error_type', d.error_type, 'message', d.message,
      'category', d.category})
  end
end

-- Nothing rolls back here. An item whose keys are not what they should be ends as a dead
-- letter of its own, with its event, whatever part of it was carried out.
local function refuse(d, reason)
  local buried = can_bury()
  -- With the entry still there nothing was done yet.
  if not buried and left[#left] ~= d.entry then return 4 end
  local text = type(reason) == 'table' and reason.err or tostring(reason)
  local fields = d.event or event_of_refused(d)
  ack({d.entry})
  d.category, d.error_type, d.traceback = 'permanent', 'CommitRefused', ''
  d.message, d.attempts = 'the decision could not be carried out: ' .. text, 1
  -- Its record keeps the event, and can be retried, where a letter can't be written.
  local letter = buried and bury_failed(d, fields, {}) or nil
  pcall(close_refused, d, fields, letter)
  if d.step == 0 and not d.counted then count('executions_started', 1) end
  count('executions_failed', 1)
  if d.counts then count('events_failed', 1) end
  return 3
end

local function go_long()
  if not d then error(problem, 0) end
  if problem then return refuse(d, problem) end
  local whole, landed = pcall(commit_decision, d)
  return whole and landed or refuse(d, landed)
end

-- Whatever goes wrong with one of them, the others count.
local finished, reason = pcall(function()
  while at <= #ARGV do
    answers[#answers + 1] = answer or go_long()
    at = at + 1
    if at <= #ARGV then fine, problem = pcall(go_short) end
  end
end)
settle()
if not finished then error(reason, 0) end
return answers
