-- Adding to a journal. Entries begin with their ordinal and kind.
--
-- The item that an entry consumes leaves the inbox with it. A failed try that is not the
-- last one is a retry to come.
local function add_entry(id, entry, consumes)
  redis.call('RPUSH', P .. 'j:' .. id, entry)
  if consumes and consumes ~= '' then pop(id, consumes) end
  local kind = string.match(entry, '^{"ordinal":%d+,"kind":"(%a+)"')
  if kind == 'try' or kind == 'undotry' then count('retries', 1) end
end
