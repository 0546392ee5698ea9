-- purge: remove dead letters for good, and the failed executions behind them.
--
-- KEYS    1 partition prefix
-- ARGV    ids of letters
-- Returns 2 for each that is gone with its execution, 1 for each that had none, or whose
--         execution has gone another way since; 0 where there is no such letter
-- Keeps   an execution leaves with everything of its own, or not at all. The counters
--         stay: they say what happened. Nothing here needs memory.
--include keys letters retention

local function purge(id)
  local letter = read_letter(id)
  if not letter then return 0 end
  local removed, known = 1, letter.workflow and letter.execution_id
  local record = known and redis.call('HMGET', P .. 'x:' .. known, 'status', 'dead')
  if record and record[1] == 'failed' and record[2] == id then
    forget(known)
    removed = 2
  end
  redis.call('XDEL', DEAD, id)
  return removed
end

local answers = {}
for i, id in ipairs(ARGV) do answers[i] = purge(id) end
return answers
