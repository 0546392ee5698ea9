-- quarantine: take the partition's quarantine lock, keep it for another while, or let go.
--
-- KEYS    1 partition prefix
-- ARGV    1 consumer  2 for how many ms from now on; 0 lets go
-- Returns 1 done, 0 another consumer holds it, or, letting go, it was not held
-- Keeps   only its owner keeps it longer or lets go; never without an end.
--include keys quarantine
local consumer, ms = ARGV[1], tonumber(ARGV[2])
if ms == 0 then return end_quarantine_of(consumer) end
local holder = redis.call('GET', QUARANTINE)
if holder and holder ~= consumer then return 0 end
redis.call('SET', QUARANTINE, consumer, 'PX', ms)
return 1
