-- Counting at once, for scripts that count little.
local function count(name, by)
  if by ~= 0 then return redis.call('HINCRBY', P .. 'stats', name, by) end
end
