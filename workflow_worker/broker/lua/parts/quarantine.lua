-- The quarantine lock: whose suspect may run now, in the whole partition. It names the
-- consumer that holds it and runs out by itself.
local QUARANTINE = P .. 'quarantine'

local function end_quarantine_of(name)
  if redis.call('GET', QUARANTINE) ~= name then return 0 end
  return redis.call('DEL', QUARANTINE)
end
