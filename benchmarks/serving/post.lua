-- For wrk: posts the bodies of a file in turn, and prints what was measured as one line of JSON.
--   wrk … -s post.lua URL -- FILE MEDIA_TYPE
-- In the file, a record separator (byte 30) ends each body.

local requests = {}
local posted = 0

function init(arguments)
    wrk.headers["Content-Type"] = arguments[2]
    local file = assert(io.open(arguments[1], "rb"))
    for body in file:read("*a"):gmatch("([^\30]+)\30") do
        requests[#requests + 1] = wrk.format("POST", nil, nil, body)
    end
    file:close()
end

function request()
    posted = posted % #requests + 1
    return requests[posted]
end

function done(summary, latency, _)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "statuses": %d, "broken": %d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.status, errors.connect + errors.read + errors.write + errors.timeout
    ))
end
