-- retry: make a failed or cancelled execution go on from its journal.
--
-- KEYS    1 partition prefix
-- ARGV    1 execution id  2 EARLY_TTL_MS  3 INBOX_LIMIT
-- Returns 'retried'; its status if that is neither failed nor cancelled; 'undone' if its
--         compensations ran, so that its journal no longer says what is; '' if there is
--         no such execution
-- Keeps   one script: the dead letter and the journal's closing failure go, the count is
--         undone, it is open again and has one wake.
--include keys letters retention record timers inbox
local early_ttl, inbox_limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local now = server_ms()
--include signals close reopen
return reopen(ARGV[1])
