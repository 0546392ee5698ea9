-- leave: delete a consumer that owns nothing any more.
--
-- KEYS    1 partition prefix
-- ARGV    1 consumer
-- Returns 1 deleted, 0 it still owns entries
-- Keeps   DELCONSUMER would drop pending entries for good, so emptiness is seen here.
--include keys quarantine
if #redis.call('XPENDING', EVENTS, GROUP, '-', '+', 1, ARGV[1]) > 0 then return 0 end
end_quarantine_of(ARGV[1])
redis.call('XGROUP', 'DELCONSUMER', EVENTS, GROUP, ARGV[1])
return 1
