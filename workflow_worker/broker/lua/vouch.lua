-- vouch: reset the idle time of what a consumer owns, on the word of somebody who sees
-- that it lives but can't renew it itself; that of its quarantine lock, too.
--
-- KEYS    1 partition prefix
-- ARGV    1 consumer  2 LEASE_MS  3 most entries  4 entry to begin at, '-' at first
-- Returns how many were renewed, and what to begin at next: empty if that was all
-- Keeps   nothing changes hands: what it owns is read in this very call. Counts stay as
--         they are, and what ran out already stays so.
--include keys quarantine
local consumer, lease, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
if redis.call('GET', QUARANTINE) == consumer then
  redis.call('PEXPIRE', QUARANTINE, lease)
end
local owned = {}
for _, row in ipairs(redis.call('XPENDING', EVENTS, GROUP, ARGV[4], '+', most, consumer)) do
  owned[#owned + 1] = row[1]
end
in_chunks(owned, function(...)
  local args = {...}
  args[#args + 1] = 'JUSTID'
  redis.call('XCLAIM', EVENTS, GROUP, consumer, 0, unpack(args))
end)
return {#owned, #owned == most and '(' .. owned[most] or ''}
