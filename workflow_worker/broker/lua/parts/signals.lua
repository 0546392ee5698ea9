-- Signals on their way to executions: into inboxes, or kept for a while where there is
-- none yet. Wants: early_ttl, inbox_limit, now.
--
-- 'open:<workflow>:<key>' holds the open executions that take signals, in the order of
-- their starts; a signal goes to those that had started when it was read.

local function is_full(id)
  local sizes = redis.call('HMGET', P .. 'in:' .. id, 'n', 'c')
  return (sizes[1] or 0) - (sizes[2] or 0) >= inbox_limit
end

-- Puts something into an inbox and wakes who waits for it; false if the inbox is full.
local function deliver(id, name, fields)
  if not is_result(name) and is_full(id) then return false end
  push(id, name, fields)
  local x = fields_of(id, 'status', 'names')
  if x.status == 'waiting' and awaits(x.names, name) then resume(id, x.status, now) end
  return true
end

-- Each that follows returns false if the signal went to the dead letters.
local function deliver_signal(id, name, entry, fields)
  if deliver(id, name, fields) then
    count('signals_delivered', 1)
    return true
  end
  bury(entry, fields, {category = 'permanent', error_type = 'InboxFull',
    execution_id = id, message = 'the execution has ' .. inbox_limit ..
    ' unconsumed signals, INBOX_LIMIT allows no more', attempts = 0, deliveries = 1,
    first_ms = number(now), last_ms = number(now)})
  count('signals_dead', 1)
  return false
end

-- Keeps a signal for an execution that may still start. A slot is '<workflow>:<key>', or
-- '@<execution id>' of one that is addressed.
local function keep_early(slot, name, entry, fields)
  if redis.call('EXISTS', P .. 'late:' .. slot) == 1 then
    count('signals_ignored', 1)
    return true
  end
  local expires = number(now + early_ttl)
  if redis.call('ZCARD', P .. 'early:' .. slot) >= inbox_limit then
    bury(entry, fields, {category = 'permanent', error_type = 'InboxFull',
      slot = slot, message = inbox_limit .. ' signals wait for ' .. slot ..
      ' to start, INBOX_LIMIT allows no more', attempts = 0, deliveries = 1,
      first_ms = number(now), last_ms = number(now)})
    count('signals_dead', 1)
    return false
  end
  -- Stream order, also among those that came in one millisecond.
  local ms, sequence = string.match(entry, '^(%d+)-(%d+)$')
  local place = string.rep('0', 20 - #ms) .. ms .. string.rep('0', 20 - #sequence) .. sequence
  redis.call('ZADD', P .. 'early:' .. slot, expires,
    place .. cmsgpack.pack({name, fields}))
  redis.call('ZADD', EARLY, 'NX', expires, slot)
  count('signals_early', 1)
  return true
end

-- Forgets what waited in vain; a few slots a call.
local function forget_early()
  for _, slot in ipairs(redis.call('ZRANGEBYSCORE', EARLY, '-inf', number(now),
                                   'LIMIT', 0, 20)) do
    local E = P .. 'early:' .. slot
    count('signals_expired', redis.call('ZREMRANGEBYSCORE', E, '-inf', number(now)))
    local left = redis.call('ZRANGE', E, 0, 0, 'WITHSCORES')
    if left[2] then
      redis.call('ZADD', EARLY, left[2], slot)
    else
      redis.call('ZREM', EARLY, slot)
    end
  end
end

local function take_early(id, slots)
  local kept = {}
  for _, slot in ipairs(slots) do
    local E = P .. 'early:' .. slot
    if redis.call('ZREM', EARLY, slot) == 1 then
      count('signals_expired', redis.call('ZREMRANGEBYSCORE', E, '-inf', number(now)))
      for _, member in ipairs(redis.call('ZRANGE', E, 0, -1)) do kept[#kept + 1] = member end
      redis.call('DEL', E)
    end
  end
  table.sort(kept)
  for _, member in ipairs(kept) do
    local signal = cmsgpack.unpack(string.sub(member, 41))
    local ms, sequence = string.sub(member, 1, 20), string.sub(member, 21, 40)
    local entry = string.match(ms, '^0*(%d+)$') .. '-' .. string.match(sequence, '^0*(%d+)$')
    deliver_signal(id, signal[1], entry, signal[2])
  end
end

-- From here on signals with its key reach the execution.
local function open_for_signals(id, workflow, key)
  local slot = workflow .. ':' .. key
  if redis.call('ZSCORE', P .. 'open:' .. slot, id) then return end
  redis.call('ZADD', P .. 'open:' .. slot, 
    redis.call('HINCRBY', STATS, 'executions_opened', 1), id)
  take_early(id, {slot, '@' .. id})
end

local function takes_signals(workflow)
  return redis.call('HEXISTS', ROUTES, '#' .. workflow) == 1
end

-- To the one that is addressed; it may have ended since.
local function deliver_to(id, name, entry, fields)
  local status = redis.call('HGET', P .. 'x:' .. id, 'status')
  if status and not is_closed(status) then return deliver_signal(id, name, entry, fields) end
  count('signals_ignored', 1)
  return true
end

-- One page of a delivery to many; true when it was the last.
local function deliver_page(job)
  if job.to then
    deliver_to(job.to, job.name, job.entry, job.fields)
    return true
  end
  local page = redis.call('ZRANGEBYSCORE', P .. 'open:' .. job.slot, '(' .. job.after,
    job.upto, 'WITHSCORES', 'LIMIT', 0, MOST_AT_ONCE)
  for i = 1, #page, 2 do
    local landed = deliver_signal(page[i], job.name, job.entry, job.fields)
    job.landed, job.after = job.landed or landed, page[i + 1]
  end
  -- All of them may have ended since.
  if job.after == '0' then count('signals_ignored', 1) end
  return #page < 2 * MOST_AT_ONCE
end

-- Goes on with deliveries to many, one page a call. Returns false while there is more:
-- then nothing may be read, or later signals would overtake these.
local function deliver_rest()
  local waiting = redis.call('LINDEX', FANOUT, 0)
  if not waiting then return true end
  -- Needs no memory, so a full server allows it, and with it what follows: else nothing
  -- would be taken any more, and the server never drained.
  redis.call('LREM', FANOUT, 1, '')
  local job = cmsgpack.unpack(waiting)
  if not deliver_page(job) then
    redis.call('LSET', FANOUT, 0, cmsgpack.pack(job))
    return false
  end
  redis.call('LPOP', FANOUT)
  return redis.call('LLEN', FANOUT) == 0
end

-- Sends a signal to one execution; behind those that are still on their way to many.
local function signal_to(id, name, entry, fields)
  if redis.call('EXISTS', FANOUT) == 1 then
    redis.call('RPUSH', FANOUT,
      cmsgpack.pack({to = id, name = name, entry = entry, fields = fields}))
    return true
  end
  return deliver_to(id, name, entry, fields)
end

-- Sends a signal to every open execution of a workflow with this key. One that itself
-- starts this workflow is not kept for it: nothing is a signal to what it started.
local function signal_by_key(workflow, key, name, entry, fields, starts)
  local slot = workflow .. ':' .. key
  local size = redis.call('ZCARD', P .. 'open:' .. slot)
  if size == 0 and starts then
    count('signals_ignored', 1)
    return true
  end
  if size == 0 then return keep_early(slot, name, entry, fields) end
  local job = {slot = slot, name = name, entry = entry, fields = fields, after = '0',
               upto = redis.call('HGET', STATS, 'executions_opened')}
  if size > MOST_AT_ONCE or redis.call('EXISTS', FANOUT) == 1 then
    redis.call('RPUSH', FANOUT, cmsgpack.pack(job))
    return true
  end
  deliver_page(job)
  return job.landed
end
