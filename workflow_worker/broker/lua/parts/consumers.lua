-- Moving entries between consumers. Wants: consumer; uses admit_safely and
-- end_quarantine_of.
--
-- Returns 1 if the entry was taken over. An entry deleted under its owner's feet would
-- stay pending for ever (Redis 6.2 hands it out as nil): it is acknowledged instead.
local function take_over(entry, counted)
  local found = redis.call('XRANGE', EVENTS, entry, entry)[1]
  if not found then
    redis.call('XACK', EVENTS, GROUP, entry)
    return 0
  end
  if counted then
    redis.call('XCLAIM', EVENTS, GROUP, consumer, 0, entry)
  else
    redis.call('XCLAIM', EVENTS, GROUP, consumer, 0, entry, 'JUSTID')
  end
  local pending = redis.call('XPENDING', EVENTS, GROUP, entry, entry, 1, consumer)[1]
  admit_safely(entry, pending[4], found[2], false)
  return 1
end

-- DELCONSUMER drops pending entries for good: only with an empty list, in this very call.
-- Whatever it held the quarantine for is somebody else's now.
local function drop_if_empty(name)
  if #redis.call('XPENDING', EVENTS, GROUP, '-', '+', 1, name) == 0 then
    end_quarantine_of(name)
    return redis.call('XGROUP', 'DELCONSUMER', EVENTS, GROUP, name)
  end
end
