#!/bin/bash
# Compares baton with nginx on this machine, in one run, in turns: each case ROUNDS times for SECONDS on each server, the medians
# printed. Both serve the same files with two workers, without an access log; nginx with sendfile, tcp_nopush, open_file_cache and
# reuseport. Listens on loopback only. $1: the folder of the binaries.
set -euo pipefail
build=$1
source "$(dirname "$0")/lib.sh"
rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-4} idle=${IDLE:-10000}
baton_port=18181 nginx_port=18182
folder=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT
chmod 755 "$folder"
mkdir "$folder/files"
head -c 1024 /dev/urandom > "$folder/files/1k.bin"
head -c 102400 /dev/urandom > "$folder/files/100k.bin"

cat > "$folder/baton.toml" <<CONF
[server]
workers = 2
max_connections = 12000
[[listen]]
address = "127.0.0.1:$baton_port"
[[site]]
[[site.route]]
path = "/"
static = { root = "files" }
CONF
cat > "$folder/nginx.conf" <<CONF
worker_processes 2;
daemon off;
pid $folder/nginx.pid;
error_log $folder/nginx.err warn;
worker_rlimit_nofile 16000;
events { worker_connections 12000; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=1000;
  keepalive_requests 1000000000;
  server { listen 127.0.0.1:$nginx_port reuseport; root $folder/files; }
}
CONF
"$build/baton" -c "$folder/baton.toml" 2> "$folder/baton.err" & baton_pid=$!
pids+=("$baton_pid")
nginx -e "$folder/nginx.err" -c "$folder/nginx.conf" & nginx_pid=$!
pids+=("$nginx_pid")
await_port $baton_port
await_port $nginx_port

memory_kb() { local sum=0 pid; for pid in $(family "$1"); do
  sum=$((sum + $(awk '/^Pss:/ {print $2}' "/proc/$pid/smaps_rollup"))); done; echo $sum; }
# measure SERVER PORT PID PATH WRK-OPTIONS...: appends "requests/s p50 p99 cpu-us-per-request" to $folder/SERVER.rows
measure() {
  local server=$1 port=$2 pid=$3 path=$4
  shift 4
  local before after result
  before=$(cpu_ticks "$pid")
  result=$(wrk -t2 -d"${seconds}s" "$@" "http://127.0.0.1:$port$path" | grep '^RESULT')
  after=$(cpu_ticks "$pid")
  echo "$result" | awk -v ticks=$((after - before)) -v us=$tick_us '
    {if ($6 > $2 / 1000) {print "too many errors: " $0 > "/dev/stderr"; exit 1}
     printf "%.0f %d %d %.2f\n", $2 / $3, $4, $5, ticks * us / $2}' >> "$folder/$server.rows"
}
column() { awk -v n="$2" '{print $n}' "$folder/$1.rows" | median; }

echo "$(date -u +%F), $(machine), $(nginx -v 2>&1 | sed 's/.*: //')"
echo "medians of $rounds rounds of $seconds s each, in turns; load: wrk on the same machine"
echo
echo "| case | server | requests/s | p50 us | p99 us | server CPU us/request |"
echo "| --- | --- | ---: | ---: | ---: | ---: |"
bench() { # NAME PATH WRK-OPTIONS...
  local name=$1 path=$2
  shift 2
  rm -f "$folder"/*.rows
  for _ in $(seq "$rounds"); do
    measure baton $baton_port "$baton_pid" "$path" "$@"
    measure nginx $nginx_port "$nginx_pid" "$path" "$@"
  done
  local server
  for server in baton nginx; do
    echo "| $name | $server | $(column $server 1) | $(column $server 2) | $(column $server 3) | $(column $server 4) |"
  done
  echo "| | **ratio** | $(ratio 1) | $(ratio 2) | $(ratio 3) | $(ratio 4) |"
}
ratio() { awk -v a="$(column baton "$1")" -v b="$(column nginx "$1")" 'BEGIN {printf (b > 0) ? "%.2f" : "-", a / b}'; }

bench "1 KB, keep-alive, 64 connections" /1k.bin -c64 -s tests/bench/report.lua
bench "100 KB, keep-alive, 64 connections" /100k.bin -c64 -s tests/bench/report.lua
bench "1 KB, a connection per request" /1k.bin -c64 -s tests/bench/report.lua -H 'Connection: close'
bench "1 KB, 16 pipelined" /1k.bin -c64 -s tests/bench/pipelined.lua

echo
echo "| $idle idle connections | memory of the server's processes before, KB | with them, KB | bytes a connection |"
echo "| --- | ---: | ---: | ---: |"
hold_idle() { # NAME PORT PID
  local before after
  before=$(memory_kb "$3")
  coproc HOLD { exec "$build/bench_idle" "$2" "$idle"; }
  read -r _ <&"${HOLD[0]}"
  after=$(memory_kb "$3")
  exec {HOLD[1]}>&-
  wait "$HOLD_PID" || true
  echo "| $1 | $before | $after | $(((after - before) * 1024 / idle)) |"
}
hold_idle baton $baton_port "$baton_pid"
hold_idle nginx $nginx_port "$nginx_pid"
