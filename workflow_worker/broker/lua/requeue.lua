-- requeue: give entries back without having run them, at once or after a while.
--
-- KEYS    1 partition prefix
-- ARGV    1 consumer  2 why: how long it waits is counted anew if the reason is another
--         3.. entry, delivery count, workflow, delay in ms, how the worker ended that ran
--         it last or nothing, and so on
-- Returns 1 for each entry given back, 0 for each that has another owner now
-- Keeps   fenced like a commit. The copy carries its origin, the workflow it was routed
--         to and the deliveries so far, this one not among them: it was not run. A wake
--         stays the one wake of its execution.
--include keys fence record timers
local consumer, why = ARGV[1], ARGV[2]
local now = server_ms()
local owned = pending_of(consumer, '-', '+')

local function copy_of(entry, fields, deliveries, workflow, exit)
  local event, copy = as_map(fields), {}
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 1) ~= '_' then
      copy[#copy + 1] = fields[i]
      copy[#copy + 1] = fields[i + 1]
    end
  end
  local marks = {_wake = event._wake, _keep = event._keep, _counted = event._counted,
    _deliveries = number((tonumber(event._deliveries) or 0) + deliveries - 1),
    _why = why, _since = event._why == why and event._since or number(now),
    _exit = exit ~= '' and exit or nil}
  if not event._wake then
    marks._workflow, marks._origin = workflow, event._origin or event.id or entry
  end
  for name, value in pairs(marks) do
    copy[#copy + 1] = name
    copy[#copy + 1] = value
  end
  return copy
end

local answers = {}
for i = 3, #ARGV, 5 do
  local entry, deliveries, delay = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 3])
  local found = owned[entry] == deliveries and
    redis.call('XRANGE', EVENTS, entry, entry)[1]
  answers[#answers + 1] = found and 1 or 0
  if found then
    local copy = copy_of(entry, found[2], deliveries, ARGV[i + 2], ARGV[i + 4])
    ack({entry})
    if delay > 0 then
      set_timer('p:' .. entry, now + delay, cmsgpack.pack(copy))
    else
      redis.call('XADD', EVENTS, '*', unpack(copy))
    end
  end
end
return answers
