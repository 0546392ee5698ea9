-- figures: how much is queued, leased, timed, kept and counted; one moment, no scan.
--
-- KEYS    1 partition prefix
-- ARGV    statuses of executions to count
-- Returns the server's time; length of the stream; the oldest entry that nobody took, or
--         nothing; how many entries are leased; the oldest of them, or nothing; how many
--         timers are set; when the next one is due, or nothing; dead letters; the
--         counters; how many executions have each status
-- Keeps   changes nothing; answers with ids, never with what entries hold, however large.
--include keys
local function oldest(start)
  local found = redis.call('XRANGE', EVENTS, start, '+', 'COUNT', 1)
  return found[1] and found[1][1] or ''
end

local waiting, pending, longest = nil, 0, ''
if redis.call('EXISTS', EVENTS) == 1 then
  for _, row in ipairs(redis.call('XINFO', 'GROUPS', EVENTS)) do
    local group = as_map(row)
    if group.name == GROUP then
      waiting = oldest('(' .. group['last-delivered-id'])
      local leased = redis.call('XPENDING', EVENTS, GROUP)
      pending, longest = leased[1], leased[2] or ''
    end
  end
end
local due = redis.call('ZRANGE', TIMERS, 0, 0, 'WITHSCORES')
local statuses = {}
for i, status in ipairs(ARGV) do
  statuses[i] = redis.call('ZCARD', P .. 'by-status:' .. status)
end
return {
  server_ms(),
  redis.call('XLEN', EVENTS), waiting or oldest('-'), pending, longest,
  redis.call('ZCARD', TIMERS), due[2] or '',
  redis.call('XLEN', DEAD), redis.call('HGETALL', STATS), statuses,
}
