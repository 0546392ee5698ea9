-- Timers: a sorted set of due times and a hash of what to do then. A member 'p:<entry>'
-- is a put-back: it holds its whole entry and fires unconditionally.
-- Whoever sets a timer that becomes the earliest rings the bell, so that an idle worker
-- wakes, sees it and blocks no longer than until then.
local function set_timer(member, due, data)
  redis.call('HSET', TIMER_DATA, member, data)
  redis.call('ZADD', TIMERS, number(due), member)
  if redis.call('ZRANGE', TIMERS, 0, 0)[1] == member then
    redis.call('XADD', BELL, 'MAXLEN', '~', 1000, '*', 'timer', member)
  end
end

-- At most 100 a call: the work of one call stays bounded.
local function fire_due(now)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', TIMERS, '-inf', number(now),
                                     'LIMIT', 0, 100)) do
    local data = redis.call('HGET', TIMER_DATA, member)
    if data then redis.call('XADD', EVENTS, '*', unpack(cmsgpack.unpack(data))) end
    redis.call('ZREM', TIMERS, member)
    redis.call('HDEL', TIMER_DATA, member)
  end
end

local function next_due()
  local first = redis.call('ZRANGE', TIMERS, 0, 0, 'WITHSCORES')
  return first[2]
end
