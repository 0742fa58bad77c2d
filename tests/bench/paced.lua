-- report.lua for clients that pause for PAUSE_MS between a response and the next request: the server is not saturated,
-- so what is measured is how long a request waits, not how long the queue is.
dofile("tests/bench/report.lua")
local pause = tonumber(os.getenv("PAUSE_MS")) or 10
delay = function() return pause end
