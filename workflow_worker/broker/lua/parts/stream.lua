-- The stream of events. KEYS[1] is the partition's prefix, '{wf:0}:'; every other key
-- hangs from it, and the braces keep them all in one cluster slot.
local P = KEYS[1]
local EVENTS, GROUP = P .. 'events', 'workers'
