-- The server's clock.
-- A TestWorker, whose clock skips, puts in how far it is ahead; nobody else does.
local AHEAD_MS = 0

local function server_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000) + AHEAD_MS
end

-- Mostly asked for the same time again.
local written, text
local function number(ms)
  if ms ~= written then written, text = ms, string.format('%.0f', ms) end
  return text
end
