-- take: fire due timers, read new entries, route each; one atomic round trip.
--
-- KEYS    1 partition prefix
-- ARGV    1 consumer  2 most entries  3 MAX_PAYLOAD_BYTES  4 DEDUP_TTL_MS
--         5 '1': if nothing came, move the bell to the end, the caller will block on it
-- Returns rows, ms until the next timer (-1: none), how many events were counted here as
--         succeeded (fanned out), failed (dead), ignored, duplicate, and the server's time
-- Keeps   order: reading and routing are one step, whoever reads. Nothing read is ever
--         neither handed out nor settled, unless the reply is lost: then adopt finds it.
--include keys letters timers retention
local consumer, most = ARGV[1], tonumber(ARGV[2])
local max_payload, dedup_ttl = tonumber(ARGV[3]), ARGV[4]
local now = server_ms()
--include route

fire_due(now)
forget_expired(now)
local read = redis.call('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', most,
  'STREAMS', EVENTS, '>')
if read then
  for _, entry in ipairs(read[1][2]) do admit_safely(entry[1], 1, entry[2]) end
  return answer(-1)
end
-- Atomic with the empty read: what comes after this moment rings, nothing before does.
if ARGV[5] == '1' then redis.call('XGROUP', 'SETID', EVENTS, 'bell', '$') end
local due = next_due()
return answer(due and math.max(0, due - now) or -1)
