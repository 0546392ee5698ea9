-- The status of an execution, as it is listed.
--
-- Status 'running' and one wake outstanding, an entry or a put-back of one, are the same
-- thing: whoever sets the one makes the other, in one call.
local function move_status(id, from, to, now)
  if from and from ~= to then redis.call('ZREM', P .. 'by-status:' .. from, id) end
  redis.call('ZADD', P .. 'by-status:' .. to, number(now), id)
end
