-- adopt: take over at once what a worker known to be dead was holding; or, with one's own
-- name, find again what a take handed out in a reply that never arrived.
--
-- KEYS    1 partition prefix
-- ARGV    1 to 5 see parts/settings.lua  6 most entries  7 whose entries
--         8 how many of the ids that follow count a delivery: it died of them, or may have;
--         the rest is held, passed over
-- Returns as take, and in front of it how many entries were moved
-- Keeps   what was merely buffered keeps its count and its place; the pair is read from
--         the pending list in this very call, so an entry claimed meanwhile stays there.
--include keys counts settings plain letters retention record timers inbox signals
--include route quarantine consumers

local most, from = tonumber(ARGV[6]), ARGV[7]
local counted, held = {}, {}
for i = 9, #ARGV do
  if i < 9 + ARGV[8] then counted[ARGV[i]] = true else held[ARGV[i]] = true end
end

local moved = 0
for _, pending in ipairs(redis.call('XPENDING', EVENTS, GROUP, '-', '+', 10000, from)) do
  if moved == most then break end
  if not held[pending[1]] then
    moved = moved + take_over(pending[1], counted[pending[1]])
  end
end
if from ~= consumer then drop_if_empty(from) end
return {moved, answer()}
