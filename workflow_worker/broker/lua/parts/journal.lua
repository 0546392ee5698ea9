-- Adding to a journal. Uses is_retry.
local function count_retries(entries)
  for _, entry in ipairs(entries) do
    if is_retry(entry) then count('retries', 1) end
  end
end

local function add_entries(id, entries)
  in_chunks(entries, function(...) redis.call('RPUSH', P .. 'j:' .. id, ...) end)
  count_retries(entries)
end
