-- Timers: a sorted set of due times and a hash of what to do then. A member begins with
-- its kind: 'p:<entry>' is a put-back, it holds its whole entry; 'd:<id>' a delayed event,
-- likewise; 'w:<execution id>' the next thing that happens to one that waits or is to be
-- tried again, at most one per execution.
-- Whoever sets a timer that becomes the earliest rings the bell, so that an idle worker
-- wakes, sees it and blocks no longer than until then.
local function set_timer(member, due, data)
  if data then redis.call('HSET', TIMER_DATA, member, data) end
  redis.call('ZADD', TIMERS, number(due), member)
  if redis.call('ZRANGE', TIMERS, 0, 0)[1] == member then
    redis.call('XADD', BELL, 'MAXLEN', '~', 1000, '*', 'timer', member)
  end
end

local function cancel_timer(member) redis.call('ZREM', TIMERS, member) end

-- What it waits for is over, or a try is due; or it is to run again meanwhile. It may have
-- been woken by something else: then the timer is stale.
local function end_wait(id, now)
  local x = fields_of(id, 'status', 'wait', 'due')
  if x.status ~= 'waiting' and x.status ~= 'retrying' then return end
  if x.status == 'retrying' or (x.due and tonumber(x.due) <= now) then
    redis.call('HSET', P .. 'x:' .. id, 'fired', x.wait)
  end
  resume(id, x.status, now)
end

local function fire(member, now)
  local kind = string.sub(member, 1, 2)
  if kind == 'w:' then return end_wait(string.sub(member, 3), now) end
  local data = redis.call('HGET', TIMER_DATA, member)
  if not data then return end
  redis.call('HDEL', TIMER_DATA, member)
  if kind == 'd:' then
    redis.call('XADD', EVENTS, '*', 'published_at', number(now), unpack(cmsgpack.unpack(data)))
  else
    redis.call('XADD', EVENTS, '*', unpack(cmsgpack.unpack(data)))
  end
end

-- At most 100 a call: the work of one call stays bounded.
local function fire_due(now)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', TIMERS, '-inf', number(now),
                                     'LIMIT', 0, 100)) do
    redis.call('ZREM', TIMERS, member)
    fire(member, now)
  end
end

-- Publishes an event once it is due. Its id names the timer, so that a second one with
-- that id, as after a lost reply, is the same one.
local function delay_event(id, due, fields)
  if redis.call('ZSCORE', TIMERS, 'd:' .. id) then return count('events_duplicate', 1) end
  set_timer('d:' .. id, due, cmsgpack.pack(fields))
end
