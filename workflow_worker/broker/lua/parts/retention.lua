-- Finished executions leave with everything of theirs: record, journal, inbox, listing.
local EXPIRY = P .. 'expiry'

local function forget(id)
  local status = redis.call('HGET', P .. 'x:' .. id, 'status')
  redis.call('DEL', P .. 'x:' .. id, P .. 'j:' .. id, P .. 'in:' .. id)
  if status then redis.call('ZREM', P .. 'by-status:' .. status, id) end
  redis.call('ZREM', EXPIRY, id)
end

-- Some more than have just come to be kept.
local function forget_beyond(limit, come)
  local over = redis.call('ZCARD', EXPIRY) - limit
  if over > 0 then
    for _, id in ipairs(redis.call('ZRANGE', EXPIRY, 0, math.min(over, come + 19) - 1)) do
      forget(id)
    end
  end
end
