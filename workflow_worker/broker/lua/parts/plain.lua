-- What the fleet wants of an event's name, and the way of most entries: an event that is
-- read for the first time and starts one workflow that takes no signals. Such a one is
-- handed out as it stands, and nothing is written. Wants: max_payload.
local rows, wanted_by = {}, {}

local function add_new(list, workflow, takes)
  for _, known in ipairs(list) do if known[1] == workflow then return end end
  list[#list + 1] = {workflow, takes}
end

-- The workflows an event name starts, each with 1 if it takes signals, and those it is a
-- signal of, by the fleet's routes; looked up once a call.
local function route(name)
  local found = wanted_by[name]
  if found then return found.starts, found.signals end
  local raw = redis.call('HMGET', ROUTES, '=' .. name, '*', '!' .. name)
  found = {starts = raw[1] and cjson.decode(raw[1]) or {},
           signals = raw[3] and cjson.decode(raw[3]) or {}}
  if raw[2] then
    for _, rule in ipairs(cjson.decode(raw[2])) do
      if string.find(name, rule[1]) then add_new(found.starts, rule[2], rule[3]) end
    end
  end
  wanted_by[name] = found
  return found.starts, found.signals
end

local PLAIN = {name = true, payload = true, key = true, headers = true, published_at = true}

-- Hands out an entry if it is such a one; else it returns false and has done nothing.
local function add_plain(entry, fields)
  local name, payload
  for i = 1, #fields, 2 do
    local field = fields[i]
    if not PLAIN[field] or i > 20 then return false end
    if field == 'name' then name = fields[i + 1] end
    if field == 'payload' then payload = fields[i + 1] end
  end
  if not name or name == '' or payload and #payload > max_payload then return false end
  local starts, signals = route(name)
  if #starts ~= 1 or starts[1][2] == 1 or #signals > 0 then return false end
  rows[#rows + 1] = {entry, 1, starts[1][1], fields}
  return true
end
