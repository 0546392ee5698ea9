-- Who owns an entry: the pair (consumer, delivery count) as XPENDING tells it here and
-- now. A takeover changes the name or raises the count, so no two owners share a pair.
local function pending_of(consumer, first, last)
  local counts = {}
  for _, row in ipairs(redis.call('XPENDING', EVENTS, GROUP, first, last, 10000, consumer)) do
    counts[row[1]] = row[4]
  end
  return counts
end
