-- Sends prepared requests in turn.
--   wrk … --script wrk.lua URL -- REQUESTS [check]
-- REQUESTS is a Lua file that returns {path, headers, bodies, answers}. With `check`, every answer
-- must have status 200 and be one of `answers`, byte for byte; the others are counted as wrong.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  local load = dofile(arguments[1])
  local requests, next_one = {}, 0
  for position, body in ipairs(load.bodies) do
    requests[position] = wrk.format("POST", load.path, load.headers, body)
  end
  function request()
    next_one = next_one % #requests + 1
    return requests[next_one]
  end

  wrong = 0
  if arguments[2] == "check" then
    local right = {}
    for _, answer in ipairs(load.answers) do
      right[answer] = true
    end
    function response(status, _, body)
      if status ~= 200 or not right[body] then
        wrong = wrong + 1
      end
    end
  end
end

function done(summary, latency)
  local failed, wrong_ones = summary.errors, 0
  for _, thread in ipairs(threads) do
    wrong_ones = wrong_ones + thread:get("wrong")
  end
  io.write(string.format(
    '\nFIGURES {"requests": %d, "seconds": %.6f, "p50": %.1f, "p99": %.1f, "failed": %d}\n',
    summary.requests,
    summary.duration / 1e6,
    latency:percentile(50),
    latency:percentile(99),
    failed.connect + failed.read + failed.write + failed.status + failed.timeout + wrong_ones
  ))
end
