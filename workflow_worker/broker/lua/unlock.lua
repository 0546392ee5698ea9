-- unlock: let go of a lock.
--
-- KEYS    1 partition prefix
-- ARGV    1 name  2 owner
-- Returns 1 done, 0 another owner has it, or none
-- Keeps   only its owner lets go of it.
--include keys locks
if holder_of(ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('DEL', LOCK .. ARGV[1])
