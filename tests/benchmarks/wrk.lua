-- Sends prepared requests in turn.
--   wrk … --script wrk.lua URL -- REQUESTS [check]
-- REQUESTS is a Lua file that returns {path, headers, bodies, answers} and, where each request asks
-- for rows that were never asked before, {mark, offsets}. With `check`, every answer must have
-- status 200 and be one of `answers`, byte for byte; the others are counted as wrong.

local ffi = require("ffi")
local threads = {}

-- A hundred thousand numbers for each second, so that no later run repeats those of this one.
local counter = os.time() % 100000 * 100000

function setup(thread)
  table.insert(threads, thread)
end

local function count()
  counter = (counter + 1) % 1e10
  return counter
end

-- Returns a function that returns a request with a number in place of each mark.
local function with_fresh_digits(text, mark)
  local pieces, from = {}, 1
  while true do
    local first, last = text:find(mark, from, true)
    table.insert(pieces, text:sub(from, (first or 0) - 1))
    if not first then break end
    table.insert(pieces, "")
    from = last + 1
  end
  return function()
    for position = 2, #pieces, 2 do
      pieces[position] = string.format("%010d", count())
    end
    return table.concat(pieces)
  end
end

-- Returns a function that returns a request with two other bytes at each offset of its body.
local function with_fresh_bytes(text, body, offsets)
  local bytes = ffi.new("uint8_t[?]", #text)
  ffi.copy(bytes, text, #text)
  local start = #text - #body
  return function()
    local number = count()
    for _, offset in ipairs(offsets) do
      bytes[start + offset] = number % 256
      bytes[start + offset + 1] = math.floor(number / 256) % 256
    end
    return ffi.string(bytes, #text)
  end
end

local function same(text)
  return function() return text end
end

function init(arguments)
  local load = dofile(arguments[1])
  local requests, next_one = {}, 0
  for position, body in ipairs(load.bodies) do
    local text = wrk.format("POST", load.path, load.headers, body)
    if not load.mark then
      requests[position] = same(text)
    elseif #load.offsets[position] > 0 then
      requests[position] = with_fresh_bytes(text, body, load.offsets[position])
    else
      requests[position] = with_fresh_digits(text, load.mark)
    end
  end
  function request()
    next_one = next_one % #requests + 1
    return requests[next_one]()
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
