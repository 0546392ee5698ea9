-- append: make journal entries of a running execution durable.
--
-- KEYS    1 partition prefix
-- ARGV    1 consumer  2 entry  3 delivery count  4 execution id  5 step
--         6 journal length before these  7 workflow  8 version  9.. the entries
-- Returns 1 durable (also if they were already: a lost reply), 0 another owner has it
-- Keeps   fenced by the pair, the record's step and the journal's length. Makes the
--         record of an execution that had none.
--include keys fence letters record
local consumer, entry, id = ARGV[1], ARGV[2], ARGV[4]
if pending_of(consumer, entry, entry)[entry] ~= tonumber(ARGV[3]) then return 0 end
local X, J = P .. 'x:' .. id, P .. 'j:' .. id
local step = redis.call('HGET', X, 'step')
if (step or '0') ~= ARGV[5] then return 0 end

local length, before = redis.call('LLEN', J), tonumber(ARGV[6])
if length > before then
  local stored = redis.call('LRANGE', J, before, -1)
  for i = 9, math.max(#ARGV, 8 + #stored) do
    if stored[i - 8] ~= ARGV[i] then return 0 end
  end
  return 1
end
if length < before then return 0 end

if not step then
  local fields = redis.call('XRANGE', EVENTS, entry, entry)[1]
  open_record(id, ARGV[7], ARGV[8], fields[2], 'running', server_ms())
end
for i = 9, #ARGV do redis.call('RPUSH', J, ARGV[i]) end
return 1
