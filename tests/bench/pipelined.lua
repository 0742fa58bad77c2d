-- Sixteen requests in each write.
init = function()
  local batch = {}
  for i = 1, 16 do
    batch[i] = wrk.format()
  end
  pipelined = table.concat(batch)
end

request = function()
  return pipelined
end

dofile("tests/bench/report.lua")
