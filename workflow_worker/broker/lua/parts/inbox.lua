-- What an execution was sent and has not consumed: one hash per execution, in it a queue
-- per name. 'n' is how many there are, 'c' how many of these are results of children,
-- whose names begin with '/', 's' the last sequence number; 'h:<name>' and 't:<name>' are
-- how many of that name have left and come; '<i>:<name>' is the item. Every step costs
-- the same however full it is, and it is gone when it is empty.
local MOST_AT_ONCE = 100

local function is_result(name) return string.sub(name, 1, 1) == '/' end

local function push(id, name, fields)
  local I = P .. 'in:' .. id
  local sequence = redis.call('HINCRBY', I, 's', 1)
  redis.call('HINCRBY', I, 'n', 1)
  if is_result(name) then redis.call('HINCRBY', I, 'c', 1) end
  local place = redis.call('HINCRBY', I, 't:' .. name, 1)
  redis.call('HSET', I, place .. ':' .. name, cmsgpack.pack({sequence, fields}))
end

-- Removes the first item of a name: its consumer has seen it, and nobody else removes.
local function pop(id, name)
  local I = P .. 'in:' .. id
  local place = tonumber(redis.call('HGET', I, 'h:' .. name) or 0) + 1
  -- Not there: a server that lost its tail forgot it. The counts go on without it.
  if redis.call('HDEL', I, place .. ':' .. name) == 0 then return end
  redis.call('HSET', I, 'h:' .. name, place)
  if is_result(name) then
    redis.call('HINCRBY', I, 'c', -1)
  else
    count('signals_consumed', 1)
  end
  if redis.call('HINCRBY', I, 'n', -1) <= 0 then redis.call('DEL', I) end
end

-- What journal entries consume: a name each, or ''.
local function consume(id, names)
  for _, name in ipairs(names) do if name ~= '' then pop(id, name) end end
end

local function first_of(id, name)
  local I = P .. 'in:' .. id
  local gone = tonumber(redis.call('HGET', I, 'h:' .. name) or 0)
  return redis.call('HGET', I, (gone + 1) .. ':' .. name)
end

-- Awaited names are kept as '\0one\0two\0'.
local function each_name(names) return string.gmatch(names or '', '[^%z]+') end

local function awaits(names, name)
  return string.find(names or '', '\0' .. name .. '\0', 1, true) ~= nil
end

local function has_any(id, names)
  if redis.call('EXISTS', P .. 'in:' .. id) == 0 then return false end
  for name in each_name(names) do
    if first_of(id, name) then return true end
  end
  return false
end

-- The items {sequence, name, fields} in order, and 1; or only the first awaited one, and
-- 0, where there are so many that handing out all of them would hold up the server.
local function contents(id, names)
  local I, items = P .. 'in:' .. id, {}
  local size = tonumber(redis.call('HGET', I, 'n') or 0)
  if size == 0 then return items, 1 end
  if size > MOST_AT_ONCE then
    for name in each_name(names) do
      local found = first_of(id, name)
      local item = found and cmsgpack.unpack(found)
      if item and (not items[1] or item[1] < items[1][1]) then
        items[1] = {item[1], name, item[2]}
      end
    end
    return items, 0
  end
  for field, packed in pairs(as_map(redis.call('HGETALL', I))) do
    local place, name = string.match(field, '^(%d+):(.*)$')
    if place then
      local item = cmsgpack.unpack(packed)
      items[#items + 1] = {item[1], name, item[2]}
    end
  end
  table.sort(items, function(a, b) return a[1] < b[1] end)
  return items, 1
end
