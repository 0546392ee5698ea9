-- unregister: an instance ends in order, so nobody is to look for it.
--
-- KEYS    1 prefix of the fleet's keys
-- ARGV    1 name of the instance
-- Returns nothing
-- Keeps   nothing of it stays.
--include keys
redis.call('HDEL', P .. 'instances', ARGV[1])
redis.call('ZREM', P .. 'beats', ARGV[1])
