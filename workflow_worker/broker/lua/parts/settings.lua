-- What every script that hands out work is told: who asks, and within which limits.
-- ARGV    1 consumer  2 MAX_PAYLOAD_BYTES  3 DEDUP_TTL_MS  4 EARLY_TTL_MS  5 INBOX_LIMIT
local consumer, max_payload, dedup_ttl = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local early_ttl, inbox_limit = tonumber(ARGV[4]), tonumber(ARGV[5])
local now = server_ms()
