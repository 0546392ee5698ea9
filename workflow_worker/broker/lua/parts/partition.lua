-- The number of this partition, which ids of executions begin with.
local PARTITION = string.match(P, ':(%d+)}:$')
