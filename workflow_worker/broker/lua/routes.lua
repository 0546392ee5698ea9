-- routes: tell the fleet what this App wants, and rebuild the union of the living.
--
-- KEYS    1 partition prefix
-- ARGV    1 digest of the App's routes  2 how long they count without renewal, ms
--         3 the routes, JSON: [[workflow, [names], [Lua patterns], [signals]], ...]
-- Returns how many event names and patterns the fleet wants now
-- Keeps   one field per distinct App, '@digest', so that two versions side by side do
--         not erase each other. What route reads: '=name' and '*', who is started, each
--         with 1 if it takes signals; '!name', whose signal it is; '#workflow' if it
--         takes any.
--include keys
local now = server_ms()
-- Needs no memory, so a full server allows it, and with it all that follows: a service
-- that starts on a full server must be able to drain it.
redis.call('HDEL', ROUTES, '@' .. ARGV[1])
redis.call('HSET', ROUTES, '@' .. ARGV[1],
  cjson.encode({expires = number(now + ARGV[2]), routes = ARGV[3]}))

local fields = as_map(redis.call('HGETALL', ROUTES))
local living = {}
for field, value in pairs(fields) do
  if string.sub(field, 1, 1) == '@' then
    local known = cjson.decode(value)
    if tonumber(known.expires) < now then
      redis.call('HDEL', ROUTES, field)
    else
      for _, r in ipairs(cjson.decode(known.routes)) do living[#living + 1] = r end
    end
  end
end

local takes = {}
for _, r in ipairs(living) do
  if #r[4] > 0 then takes[r[1]] = 1 end
end

-- What is wanted, by field; each workflow once, in order of their names.
local wanted, seen, rules = {}, {}, {}
local function note(field, workflow, value)
  local mark = field .. '\0' .. workflow
  if seen[mark] then return end
  seen[mark] = true
  wanted[field] = wanted[field] or {}
  table.insert(wanted[field], value)
end
table.sort(living, function(a, b) return a[1] < b[1] end)
for _, r in ipairs(living) do
  local workflow = r[1]
  for _, name in ipairs(r[2]) do note('=' .. name, workflow, {workflow, takes[workflow] or 0}) end
  for _, pattern in ipairs(r[3]) do
    local mark = '*' .. pattern .. '\0' .. workflow
    if not seen[mark] then rules[#rules + 1] = {pattern, workflow, takes[workflow] or 0} end
    seen[mark] = true
  end
  for _, name in ipairs(r[4]) do note('!' .. name, workflow, workflow) end
  if takes[workflow] then wanted['#' .. workflow] = 1 end
end
if #rules > 0 then wanted['*'] = rules end

local size = #rules
for field in pairs(fields) do
  if string.sub(field, 1, 1) ~= '@' and not wanted[field] then
    redis.call('HDEL', ROUTES, field)
  end
end
for field, value in pairs(wanted) do
  redis.call('HSET', ROUTES, field, cjson.encode(value))
  local kind = string.sub(field, 1, 1)
  if kind == '=' or kind == '!' then size = size + 1 end
end
return size
