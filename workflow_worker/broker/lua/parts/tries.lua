-- A journal entry begins with its ordinal and kind. A failed try that is not the last one
-- is a retry to come.
local function is_retry(entry)
  local kind = string.match(entry, '^{"ordinal":%d+,"kind":"(%a+)"')
  return kind == 'try' or kind == 'undotry'
end
