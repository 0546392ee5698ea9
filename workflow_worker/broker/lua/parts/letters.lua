-- Dead letters: nothing is trimmed, the event stays whole. Its own fields are kept under
-- 'e:', readable and binary safe; an entry with very many fields is kept packed.
local function prefixed(fields, into)
  if #fields > 800 then
    into[#into + 1] = 'packed'
    into[#into + 1] = cmsgpack.pack(fields)
    return into
  end
  for i = 1, #fields, 2 do
    into[#into + 1] = 'e:' .. fields[i]
    into[#into + 1] = fields[i + 1]
  end
  return into
end

local function bury(entry, fields, letter)
  local args = {'entry', entry}
  for name, value in pairs(letter) do
    args[#args + 1] = name
    args[#args + 1] = tostring(value)
  end
  return redis.call('XADD', DEAD, '*', unpack(prefixed(fields, args)))
end

-- What a letter says, and the fields of its event, flat; nothing if it is gone.
local function read_letter(id)
  local found = redis.call('XRANGE', DEAD, id, id)[1]
  if not found then return nil end
  local letter, fields = {}, {}
  for i = 1, #found[2], 2 do
    local name, value = found[2][i], found[2][i + 1]
    if name == 'packed' then
      fields = cmsgpack.unpack(value)
    elseif string.sub(name, 1, 2) == 'e:' then
      fields[#fields + 1] = string.sub(name, 3)
      fields[#fields + 1] = value
    else
      letter[name] = value
    end
  end
  return letter, fields
end
