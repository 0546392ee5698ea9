-- The end of an execution, however it came to it. Wants: early_ttl, now.

-- A parent hears of the end whether it waits for it yet or not, also one that a retry may
-- open again; not if it has gone on as new: then nobody has the handle any more.
local function tell_parent(record, result)
  local parent = fields_of(record.parent, 'status', 'run')
  local run = string.match(record.mark, '^(%d+)%.') or '0'
  if parent.status and parent.status ~= 'completed' and (parent.run or '0') == run then
    deliver(record.parent, '/' .. record.mark, result)
  end
end

-- What a parent is told.
local function end_of(child)
  local told = {}
  for _, name in ipairs({'status', 'result', 'error_type', 'message', 'category'}) do
    if child[name] then
      told[#told + 1] = name
      told[#told + 1] = child[name]
    end
  end
  return told
end

-- Empties the inbox at an end. What children told stays for a retry of their parent: they
-- will not tell it again.
local function drop_inbox(id, status)
  local I = P .. 'in:' .. id
  local sizes = redis.call('HMGET', I, 'n', 'c')
  if not sizes[1] then return end
  local results = tonumber(sizes[2] or 0)
  count('signals_unconsumed', sizes[1] - results)
  if status == 'completed' or results == 0 then return redis.call('DEL', I) end
  local signals = {}
  for _, field in ipairs(redis.call('HKEYS', I)) do
    local name = string.match(field, '^[^:]+:(.*)$')
    if name and not is_result(name) then signals[#signals + 1] = field end
  end
  in_chunks(signals, function(...) redis.call('HDEL', I, ...) end)
  redis.call('HSET', I, 'n', results)
end

-- Takes the execution out of everything that could still reach it. Signals that come for
-- its key within EARLY_TTL_MS were meant for it, not for the next one: they are ignored.
local function shut_out(id, record, status)
  local slot = record.workflow .. ':' .. record.key
  if redis.call('ZREM', P .. 'open:' .. slot, id) == 1 and early_ttl > 0 then
    redis.call('SET', P .. 'late:' .. slot, id, 'PX', early_ttl)
  end
  if record.due or record.again then cancel_timer('w:' .. id) end
  drop_inbox(id, status)
end

-- What a record says of the wait it is in.
local WAIT = {'wait', 'names', 'due', 'again', 'retry', 'fired'}

local function shut(id, record, status)
  shut_out(id, record, status)
  redis.call('HDEL', P .. 'x:' .. id, unpack(WAIT))
end

-- How long a finished one is kept: ttl in ms, 0 for not at all.
local function retire(id, ttl)
  if ttl <= 0 then return forget(id) end
  redis.call('ZADD', EXPIRY, now + ttl, id)
end
