-- register: say that an instance lives, and how it fares; forget who is gone for long.
--
-- KEYS    1 prefix of the fleet's keys
-- ARGV    1 name of the instance  2 what it says of itself, opaque
--         3 after how many ms of silence it is lost  4 after how many it is forgotten
--         5 how many lost ones are kept at most
-- Returns nothing
-- Keeps   one clock, the server's, says who is silent; a fleet that is gone leaves
--         nothing behind.
--include keys
local INSTANCES, BEATS = P .. 'instances', P .. 'beats'
local name, lost_ms, gone_ms = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = server_ms()
-- Needs no memory, so a full server allows it, and with it all that follows: the fleet
-- must be seen then above all.
redis.call('HDEL', INSTANCES, name)
redis.call('HSET', INSTANCES, name, ARGV[2])
redis.call('ZADD', BEATS, number(now), name)

local gone = redis.call('ZRANGEBYSCORE', BEATS, '-inf', number(now - gone_ms))
local too_many = redis.call('ZREVRANGEBYSCORE', BEATS, '(' .. number(now - lost_ms),
  '-inf', 'LIMIT', ARGV[5], 1000)
for _, names in ipairs({gone, too_many}) do
  in_chunks(names, function(...)
    redis.call('HDEL', INSTANCES, ...)
    redis.call('ZREM', BEATS, ...)
  end)
end
redis.call('PEXPIRE', INSTANCES, gone_ms)
redis.call('PEXPIRE', BEATS, gone_ms)
