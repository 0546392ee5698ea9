-- relock: keep locks for another while.
--
-- KEYS    1 partition prefix
-- ARGV    name, owner, ms, name, owner, ms, ...
-- Returns 1 for each lock kept, 0 for each that has another owner now, or none
-- Keeps   a lock that ran out is not taken anew: somebody may have had it meanwhile.
--include keys locks
local answers = {}
for i = 1, #ARGV, 3 do
  local mine = holder_of(ARGV[i]) == ARGV[i + 1]
  answers[#answers + 1] = mine and redis.call('PEXPIRE', LOCK .. ARGV[i], ARGV[i + 2]) or 0
end
return answers
