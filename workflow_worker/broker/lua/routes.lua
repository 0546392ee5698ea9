-- routes: tell the fleet what this App wants, and rebuild the union of the living.
--
-- KEYS    1 partition prefix
-- ARGV    1 digest of the App's routes  2 how long they count without renewal, ms
--         3 the routes, JSON: [[workflow, [names], [Lua patterns]], ...]
-- Returns how many event names and patterns the fleet wants now
-- Keeps   one field per distinct App, '@digest', so that two versions side by side do
--         not erase each other; '=name' and '*' are what route reads.
--include keys
local KEY, now = P .. 'routes', server_ms()
-- Needs no memory, so a full server allows it, and with it all that follows: a service
-- that starts on a full server must be able to drain it.
redis.call('HDEL', KEY, '@' .. ARGV[1])
redis.call('HSET', KEY, '@' .. ARGV[1],
  cjson.encode({expires = number(now + ARGV[2]), routes = ARGV[3]}))

local names, patterns, seen = {}, {}, {}
local function note(into, name, workflow)
  local mark = name .. '\0' .. workflow
  if seen[mark] then return end
  seen[mark] = true
  into[name] = into[name] or {}
  table.insert(into[name], workflow)
end

local fields = as_map(redis.call('HGETALL', KEY))
for field, value in pairs(fields) do
  if string.sub(field, 1, 1) == '@' then
    local known = cjson.decode(value)
    if tonumber(known.expires) < now then
      redis.call('HDEL', KEY, field)
    else
      for _, r in ipairs(cjson.decode(known.routes)) do
        for _, name in ipairs(r[2]) do note(names, '=' .. name, r[1]) end
        for _, pattern in ipairs(r[3]) do note(patterns, pattern, r[1]) end
      end
    end
  end
end

local wanted, rules = 0, {}
for pattern, workflows in pairs(patterns) do
  for _, workflow in ipairs(workflows) do rules[#rules + 1] = {pattern, workflow} end
end
for field in pairs(fields) do
  if string.sub(field, 1, 1) == '=' and not names[field] then redis.call('HDEL', KEY, field) end
end
for field, workflows in pairs(names) do
  table.sort(workflows)
  redis.call('HSET', KEY, field, cjson.encode(workflows))
  wanted = wanted + 1
end
if #rules > 0 then
  redis.call('HSET', KEY, '*', cjson.encode(rules))
else
  redis.call('HDEL', KEY, '*')
end
return wanted + #rules
