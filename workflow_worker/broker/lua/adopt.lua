-- adopt: take over at once what a worker known to be dead was holding; or, with one's own
-- name, find again what a take handed out in a reply that never arrived.
--
-- KEYS    1 partition prefix
-- ARGV    1 consumer  2 whose entries  3 most entries  4 MAX_PAYLOAD_BYTES
--         5 DEDUP_TTL_MS  6 '1': starts count as deliveries
--         7 how many of the ids that follow were started; the rest is held, passed over
-- Returns as take, and in front of it how many entries were moved
-- Keeps   what was merely buffered keeps its count and its place; the pair is read from
--         the pending list in this very call, so an entry claimed meanwhile stays there.
--include keys letters timers retention
local consumer, from, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local max_payload, dedup_ttl = tonumber(ARGV[4]), ARGV[5]
local now = server_ms()
--include route
--include consumers

local started, held = {}, {}
for i = 8, #ARGV do
  if i < 8 + ARGV[7] then started[ARGV[i]] = true else held[ARGV[i]] = true end
end

local moved = 0
for _, pending in ipairs(redis.call('XPENDING', EVENTS, GROUP, '-', '+', 10000, from)) do
  if moved == most then break end
  if not held[pending[1]] then
    moved = moved + take_over(pending[1], started[pending[1]] and ARGV[6] == '1')
  end
end
if from ~= consumer then drop_if_empty(from) end
return {moved, answer()}
