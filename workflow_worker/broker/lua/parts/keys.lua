-- Names of the keys this partition owns, and the server's clock.
-- KEYS[1] is the partition's prefix, '{wf:0}:'; every other key hangs from it, and the
-- braces keep them all in one cluster slot.
local P = KEYS[1]
local EVENTS, BELL, DEAD, STATS = P .. 'events', P .. 'bell', P .. 'dead', P .. 'stats'
local TIMERS, TIMER_DATA, EXPIRY = P .. 'timers', P .. 'timer-data', P .. 'expiry'
local ROUTES, EARLY, FANOUT = P .. 'routes', P .. 'early', P .. 'fanout'
local GROUP = 'workers'
local PARTITION = string.match(P, ':(%d+)}:$')
-- A TestWorker, whose clock skips, puts in how far it is ahead; nobody else does.
local AHEAD_MS = 0

local function server_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000) + AHEAD_MS
end

-- Mostly asked for the same time again.
local written, text
local function number(ms)
  if ms ~= written then written, text = ms, string.format('%.0f', ms) end
  return text
end

local function as_map(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

-- Some fields of a record by their names; absent ones are nil, as in any table.
local function fields_of(id, ...)
  local values, found = redis.call('HMGET', P .. 'x:' .. id, ...), {}
  for i, name in ipairs({...}) do found[name] = values[i] or nil end
  return found
end

local function count(name, by)
  if by ~= 0 then return redis.call('HINCRBY', STATS, name, by) end
end

-- Calls a command on any number of values, never more than 500 a call: Lua's stack.
local function in_chunks(values, call)
  if #values > 0 and #values <= 500 then return call(unpack(values)) end
  for first = 1, #values, 500 do
    call(unpack(values, first, math.min(first + 499, #values)))
  end
end

local function ack(ids)
  in_chunks(ids, function(...) redis.call('XACK', EVENTS, GROUP, ...) end)
  in_chunks(ids, function(...) redis.call('XDEL', EVENTS, ...) end)
end
