-- claim: take over entries whose owner has been silent for a lease, and delete the names
-- of the silent that own nothing.
--
-- KEYS    1 partition prefix
-- ARGV    1 to 5 see parts/settings.lua  6 most entries  7 LEASE_MS
-- Returns as take
-- Keeps   never the caller's own entries; the delivery count rises, so the former owner
--         is fenced. A living consumer that is deleted while it owns nothing comes back
--         with its next take.
--include keys counts settings plain letters retention record timers inbox signals
--include route quarantine consumers

local most, lease = tonumber(ARGV[6]), ARGV[7]
local taken = 0
-- More than asked for: the caller's own idle entries are among them and are passed over.
local silent = redis.call('XPENDING', EVENTS, GROUP, 'IDLE', lease, '-', '+', most + 500)
for _, pending in ipairs(silent) do
  if taken == most then break end
  if pending[2] ~= consumer then
    taken = taken + take_over(pending[1], true)
  end
end
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', EVENTS, GROUP)) do
  local other = as_map(flat)
  if other.pending == 0 and other.idle >= tonumber(lease) and other.name ~= consumer then
    drop_if_empty(other.name)
  end
end
return answer()
