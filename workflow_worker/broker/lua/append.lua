-- append: make journal entries of a running execution durable.
--
-- KEYS    1 partition prefix
-- ARGV    1 consumer  2 entry  3 delivery count  4 execution id  5 step
--         6 journal length before these  7 workflow  8 version
--         9.. journal entry, name of the inbox item it consumes or '', and so on
-- Returns 1 durable (also if they were already: a lost reply), 0 another owner has it,
--         2 durable, and the execution is to be cancelled
-- Keeps   fenced by the pair, the record's step and the journal's length. Makes the
--         record of an execution that had none. An item leaves the inbox in the same call
--         that stores what came of it: a crash consumes no signal twice.
--include stream tries
local consumer, entry, id = ARGV[1], ARGV[2], ARGV[4]
local X, J = P .. 'x:' .. id, P .. 'j:' .. id
local pending = redis.call('XPENDING', EVENTS, GROUP, entry, entry, 1, consumer)[1]
if not pending or pending[4] ~= tonumber(ARGV[3]) then return 0 end
local step, version, cancel = unpack(redis.call('HMGET', X, 'step', 'version', 'cancel'))
if (step or '0') ~= ARGV[5] then return 0 end

-- What an earlier call stored whose reply was lost must be how these begin.
local length, before = redis.call('LLEN', J), tonumber(ARGV[6])
if length < before then return 0 end
local first = 9
for _, stored in ipairs(length > before and redis.call('LRANGE', J, before, -1) or {}) do
  if stored ~= ARGV[first] then return 0 end
  first = first + 2
end

if not step then
--include clock chunks count status opening
  local fields = redis.call('XRANGE', EVENTS, entry, entry)[1]
  open_record(id, ARGV[7], fields[2], entry, server_ms(), {'version', ARGV[8]})
elseif not version then
  redis.call('HSET', X, 'version', ARGV[8])
end
local durable = cancel and 2 or 1
-- Most calls end here, with one entry that nothing else comes of: to declare what follows
-- takes longer than they do.
if first == 9 and #ARGV == 10 and ARGV[10] == '' and not is_retry(ARGV[9]) then
  redis.call('RPUSH', J, ARGV[9])
  return durable
end

--include chunks count journal
local entries, consumed = {}, {}
for i = first, #ARGV, 2 do
  entries[#entries + 1] = ARGV[i]
  if ARGV[i + 1] ~= '' then consumed[#consumed + 1] = ARGV[i + 1] end
end
add_entries(id, entries)
if #consumed > 0 then
--include inbox
  consume(id, consumed)
end
return durable
