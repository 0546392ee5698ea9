-- lock: take a lock that is free, or tell for how long it is not.
--
-- KEYS    1 partition prefix
-- ARGV    1 name  2 owner  3 ms after which it is free again
-- Returns {token, 0} it is the owner's now; {0, ms} another one has it for so long yet
-- Keeps   an owner that asks again, because its reply was lost, gets its own token again.
--         Every other token is greater than all before it. The server's clock, in
--         microseconds, is in it, so that this holds when the server lost its last
--         writes; and as a double it is exact until the year 2255.
--include keys locks
local name, owner, ms = ARGV[1], ARGV[2], ARGV[3]
local holder, token = holder_of(name)
if holder and holder ~= owner then
  return {0, math.max(redis.call('PTTL', LOCK .. name), 0)}
end
if not holder then
  local t = redis.call('TIME')
  token = math.max((redis.call('GET', FENCE) or 0) + 1, t[1] * 1000000 + t[2])
end
redis.call('SET', LOCK .. name, owner .. ':' .. number(token), 'PX', ms)
if not holder then redis.call('SET', FENCE, number(token)) end
return {tonumber(token), 0}
