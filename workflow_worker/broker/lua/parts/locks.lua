-- Locks that users take by name: '<owner>:<token>', never without an end. One row of
-- tokens serves them all.
local LOCK, FENCE = P .. 'lock:', P .. 'fence'

local function holder_of(name)
  local held = redis.call('GET', LOCK .. name)
  if held then return string.match(held, '^(.*):(%d+)$') end
end
