-- started: which workflows an event of this name starts, by the fleet's routes.
--
-- KEYS    1 partition prefix
-- ARGV    1 event name
-- Returns their names
-- Keeps   changes nothing.
--include keys
local found, names = {}, {}
local raw = redis.call('HMGET', ROUTES, '=' .. ARGV[1], '*')
local function note(workflow)
  if not found[workflow] then names[#names + 1] = workflow end
  found[workflow] = true
end
for _, wanted in ipairs(raw[1] and cjson.decode(raw[1]) or {}) do note(wanted[1]) end
for _, rule in ipairs(raw[2] and cjson.decode(raw[2]) or {}) do
  if string.find(ARGV[1], rule[1]) then note(rule[2]) end
end
return names
