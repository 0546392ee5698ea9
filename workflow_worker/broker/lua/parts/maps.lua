-- What is flat in Redis, by name.
local function as_map(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

-- Some fields of a record by their names; absent ones are nil, as in any table.
local function fields_of(id, ...)
  local values, found = redis.call('HMGET', P .. 'x:' .. id, ...), {}
  for i, name in ipairs({...}) do found[name] = values[i] or nil end
  return found
end
