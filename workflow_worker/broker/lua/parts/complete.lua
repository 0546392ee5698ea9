-- The short way of an execution that has completed, where that concerns nobody else:
-- what most come to that have an action or a result. It ends as the long way in
-- outcome.lua does, and leaves to that whatever has more to it, before it writes anything.
-- Wants: owned, left, now, retired.

-- Writes what stays of it for a while. What has no record begins it with its end.
local function keep(d, status, version)
  local fields = {'step', d.step + 1, 'updated', number(now), 'status', 'completed'}
  local last = 6
  for _, name in ipairs({'state', 'data', 'result', not version and 'version' or nil}) do
    if d[name] then
      fields[last + 1], fields[last + 2] = name, d[name]
      last = last + 2
    end
  end
  if d.journal then add_entries(d.id, d.journal) end
  if status then
    redis.call('HSET', P .. 'x:' .. d.id, unpack(fields))
  else
--include opening
    set_fields(d.id, (opening(d.workflow, d.event, d.entry, now, fields)))
  end
  move_status(d.id, status, 'completed', now)
  if not status then count('executions_started', 1) end
  d.counted = true
  redis.call('ZADD', EXPIRY, now + d.ttl, d.id)
  retired = retired + 1
end

-- Returns 1 or 0 like the whole script, or nil for what has to go the long way. Whatever
-- waited has names in its record, also if it waited for none; who consumes has an inbox.
local function complete(d)
  if owned[d.entry] ~= d.count then return 0 end
  -- Whose code takes signals is most likely open for them.
  if d.outcome ~= 'completed' or d.emits or d.children or d.undo or d.error_type
     or d.signals then
    return nil
  end
  local status, step, version, key, cancel, parent, names, failure, uncounted =
    unpack(redis.call('HMGET', P .. 'x:' .. d.id, 'status', 'step', 'version', 'key',
                      'cancel', 'parent', 'names', 'error_type', 'uncounted'))
  if cancel or parent or names or failure or uncounted
     or status and redis.call('EXISTS', P .. 'in:' .. d.id,
                              P .. 'open:' .. d.workflow .. ':' .. key) > 0 then
    return nil
  end
  if tonumber(step or 0) ~= d.step or redis.call('LLEN', P .. 'j:' .. d.id) ~= d.journaled
     or status and status ~= 'running' then
    return 0
  end
  local stays = d.keep and d.ttl > 0
  if stays and not status then
    local found = redis.call('XRANGE', EVENTS, d.entry, d.entry)[1]
    d.event = found and found[2]
  end
  -- An entry that is gone was deleted under its owner's feet.
  if redis.call('XDEL', EVENTS, d.entry) == 0 then return 0 end
  left[#left + 1] = d.entry
  if stays then
    keep(d, status, version)
  else
    if d.journal then count_retries(d.journal) end
    if status then forget(d.id) else count('executions_started', 1) end
  end
  count('executions_completed', 1)
  if d.counts then count('events_succeeded', 1) end
  return 1
end
