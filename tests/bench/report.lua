-- Prints one line that run.sh reads: requests, seconds, p50 and p99 in microseconds, errors.
done = function(summary, latency)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status +
                 summary.errors.timeout
  io.write(string.format("RESULT %d %.3f %.0f %.0f %d\n", summary.requests, summary.duration / 1e6,
                         latency:percentile(50), latency:percentile(99), errors))
end
