-- take: fire due timers, read new entries, route each; one atomic round trip.
--
-- KEYS    1 partition prefix
-- ARGV    1 to 5 see parts/settings.lua  6 most entries
-- Returns plain events and rows, ms until the next timer (-1: none, 0: there may be more
--         to take), how many events were counted here as succeeded (fanned out, signals),
--         failed (dead), ignored, duplicate, and the server's time
-- Keeps   order: reading and routing are one step, whoever reads. Nothing read is ever
--         neither handed out nor settled, unless the reply is lost: then adopt finds it.
--include stream names clock settings retention plain

local most, emptied = tonumber(ARGV[6]), false

-- Atomic with the read that leaves nothing: what comes after this moment rings the bell,
-- also what this very script adds, and nothing before does.
local function read_new()
  local read = redis.call('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', most,
    'STREAMS', EVENTS, '>')
  read = read and read[1][2] or {}
  emptied = #read < most
  if emptied then redis.call('XGROUP', 'SETID', EVENTS, 'bell', '$') end
  return read
end

local function until_next()
  if not emptied then return 0 end
  local first = redis.call('ZRANGE', TIMERS, 0, 0, 'WITHSCORES')
  return first[2] and math.max(0, first[2] - now) or -1
end

-- What has to be done before anything is read.
local function has_first()
  return redis.call('ZCOUNT', TIMERS, '-inf', number(now)) > 0
    or redis.call('ZCOUNT', EARLY, '-inf', number(now)) > 0
    or redis.call('EXISTS', FANOUT) == 1
end

-- A few a call, so that no call has to clear what piled up.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', EXPIRY, '-inf', number(now),
                               'LIMIT', 0, 20)) do
  forget(id)
end
local read, following = nil, 1
if not has_first() then
  read = read_new()
  while read[following] and add_plain(read[following][1], read[following][2]) do
    following = following + 1
  end
  if not read[following] then
    return {plain, rows, until_next(), 0, 0, 0, 0, now}
  end
end

-- Most calls end here: to declare all that follows takes longer than they do.
--include partition maps chunks counts letters record timers inbox signals route
if not read then
  fire_due(now)
  forget_early()
  if not deliver_rest() then return answer(0) end
  read = read_new()
end
for i = following, #read do admit_safely(read[i][1], 1, read[i][2], true) end
return answer(until_next())
