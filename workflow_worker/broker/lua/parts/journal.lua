-- Adding to a journal. Entries begin with their ordinal and kind; a failed try that is not
-- the last one is a retry to come.
local function add_entries(id, entries)
  in_chunks(entries, function(...) redis.call('RPUSH', P .. 'j:' .. id, ...) end)
  for _, entry in ipairs(entries) do
    local kind = string.match(entry, '^{"ordinal":%d+,"kind":"(%a+)"')
    if kind == 'try' or kind == 'undotry' then count('retries', 1) end
  end
end
