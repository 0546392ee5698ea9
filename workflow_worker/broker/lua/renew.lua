-- renew: reset the idle time of everything this consumer still owns.
--
-- KEYS    1 partition prefix
-- ARGV    1 consumer  2.. entry, delivery count, entry, delivery count, ...
-- Returns 1 for each entry renewed, 0 for each that has another owner now
-- Keeps   a bare XCLAIM would steal an entry back from its new owner: checked first.
--         The count stays as it is.
--include keys fence
local consumer = ARGV[1]
local owned = pending_of(consumer, '-', '+')
local answers, renewed = {}, {}
for i = 2, #ARGV, 2 do
  local mine = owned[ARGV[i]] == tonumber(ARGV[i + 1])
  answers[#answers + 1] = mine and 1 or 0
  if mine then renewed[#renewed + 1] = ARGV[i] end
end
for first = 1, #renewed, 500 do
  local args = {}
  for i = first, math.min(first + 499, #renewed) do args[#args + 1] = renewed[i] end
  args[#args + 1] = 'JUSTID'
  redis.call('XCLAIM', EVENTS, GROUP, consumer, 0, unpack(args))
end
return answers
