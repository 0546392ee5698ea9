-- take: fire due timers, read new entries, route each; one atomic round trip.
--
-- KEYS    1 partition prefix
-- ARGV    1 to 5 see parts/settings.lua  6 most entries
--         7 '1': if nothing came, move the bell to the end, the caller will block on it
-- Returns rows, ms until the next timer (-1: none, 0: come again at once), how many
--         events were counted here as succeeded (fanned out, signals), failed (dead),
--         ignored, duplicate, and the server's time
-- Keeps   order: reading and routing are one step, whoever reads. Nothing read is ever
--         neither handed out nor settled, unless the reply is lost: then adopt finds it.
--include keys settings letters retention record timers inbox signals route

fire_due(now)
forget_expired(now)
forget_early()
if not deliver_rest() then return answer(0) end
local read = redis.call('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', ARGV[6],
  'STREAMS', EVENTS, '>')
if read then
  for _, entry in ipairs(read[1][2]) do admit_safely(entry[1], 1, entry[2], true) end
  return answer(-1)
end
-- Atomic with the empty read: what comes after this moment rings, nothing before does.
if ARGV[7] == '1' then redis.call('XGROUP', 'SETID', EVENTS, 'bell', '$') end
local due = next_due()
return answer(due and math.max(0, due - now) or -1)
