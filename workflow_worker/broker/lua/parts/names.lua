-- Names of the other keys this partition owns.
local BELL, DEAD, STATS = P .. 'bell', P .. 'dead', P .. 'stats'
local TIMERS, TIMER_DATA = P .. 'timers', P .. 'timer-data'
local ROUTES, EARLY, FANOUT = P .. 'routes', P .. 'early', P .. 'fanout'
