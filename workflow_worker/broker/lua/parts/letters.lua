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
