-- What the fleet wants of an event's name, and the way of most entries: an event that is
-- read for the first time and starts one workflow that takes no signals. Such a one is
-- handed out as it stands, and nothing is written. Wants: max_payload.
--
-- Those as publish.lua writes them stand in 'plain', in front of all rows: entry,
-- workflow, published_at, name, payload and key, '' for none, and so on. That is half of
-- what a row takes to send and to read.
local rows, plain, wanted_by = {}, {}, {}

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

local function is_as_published(fields)
  return fields[5] == 'payload' and fields[3] == 'name' and fields[1] == 'published_at'
    and (#fields == 6 or #fields == 8 and fields[7] == 'key')
end

-- Returns the workflow that it starts, if that is all.
local function wanted(name, payload)
  if not name or name == '' or payload and #payload > max_payload then return nil end
  local starts, signals = route(name)
  if #starts == 1 and starts[1][2] ~= 1 and #signals == 0 then return starts[1][1] end
end

-- Hands out an entry if it is such a one; else it returns false and has done nothing.
local function add_plain(entry, fields)
  if #rows == 0 and is_as_published(fields) then
    local workflow, n = wanted(fields[4], fields[6]), #plain
    if not workflow then return false end
    plain[n + 1], plain[n + 2], plain[n + 3] = entry, workflow, fields[2]
    plain[n + 4], plain[n + 5], plain[n + 6] = fields[4], fields[6], fields[8] or ''
    return true
  end
  local name, payload
  for i = 1, #fields, 2 do
    local field = fields[i]
    if not PLAIN[field] or i > 20 then return false end
    if field == 'name' then name = fields[i + 1] end
    if field == 'payload' then payload = fields[i + 1] end
  end
  local workflow = wanted(name, payload)
  if not workflow then return false end
  rows[#rows + 1] = {entry, 1, workflow, fields}
  return true
end
