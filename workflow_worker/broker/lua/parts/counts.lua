-- Counting for scripts that carry out much: what one call comes to is written once, at its
-- end. Takes the place of the one in count.lua for the parts that follow.
local counted = {}

local function count(name, by) counted[name] = (counted[name] or 0) + by end

local function write_counts()
  for name, by in pairs(counted) do
    if by ~= 0 then redis.call('HINCRBY', P .. 'stats', name, by) end
  end
  counted = {}
end
