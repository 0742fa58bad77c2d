#!/bin/bash
# What modules cost, and what they do to their neighbours, beside peers in the same run. Listens on loopback only.
# $1: the folder of the binaries.
#
#   hello      a module, baton's own `respond`, PHP-FPM behind nginx, cpp-httplib: in turns, ROUNDS times for SECONDS_EACH
#   blocked    p99 of a fast route while another one sleeps 20 ms at a time: baton, and nginx whose Lua handler blocks. Each slow call is a
#              new connection, so that which workers of nginx are blocked is not decided once and for all
#   chaos      64 clients beside a hundred crashes a second, for CHAOS_SECONDS
set -euo pipefail
build=$1
source "$(dirname "$0")/lib.sh"
rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-4} chaos_seconds=${CHAOS_SECONDS:-30}
baton_port=18181 php_port=18182 httplib_port=18183 chaos_port=18184 lua_port=18185
folder=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT
chmod 755 "$folder"
start() { "$@" & pids+=("$!"); }

baton_config() { # NAME PORT WORKERS ROUTES
  cat > "$folder/$1.toml" <<CONF
[server]
workers = $3
max_connections = 2000
[[listen]]
address = "127.0.0.1:$2"
[[site]]
$4
CONF
}
module() { echo "[[site.route]]
path = \"$1\"
module = { file = \"$(realpath "$build")/examples/$2.so\" }"; }
respond='[[site.route]]
path = "/respond"
respond = { body = "Hello from a module.\n" }'

baton_config hello $baton_port 2 "$(module /module hello)
$respond"
baton_config chaos $chaos_port 4 "$(module / chaos)
$respond"
cat > "$folder/hello.php" <<'PHP'
<?php header('Content-Type: text/plain; charset=utf-8'); echo "Hello from a module.\n";
PHP
cat > "$folder/php.conf" <<CONF
[global]
daemonize = no
error_log = $folder/php.log
[www]
listen = $folder/php.sock
listen.mode = 0666
pm = static
pm.max_children = 4
$([ "$(id -u)" = 0 ] && echo "user = nobody
group = nogroup")
CONF
nginx_config() { # NAME PORT WORKERS MODULES SERVER
  cat > "$folder/$1.conf" <<CONF
$4
worker_processes $3;
daemon off;
pid $folder/$1.pid;
error_log $folder/$1.err warn;
events { worker_connections 4000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  upstream php { server unix:$folder/php.sock; keepalive 4; }
  server { listen 127.0.0.1:$2 reuseport; $5 }
}
CONF
}
nginx_config php-nginx $php_port 2 "" "location / { include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME $folder/hello.php;
  fastcgi_keep_conn on; fastcgi_pass php; }"
nginx_config lua $lua_port 4 "load_module modules/ndk_http_module.so;
load_module modules/ngx_http_lua_module.so;" 'location = /respond { return 200 "Hello from a module.\n"; }
  location = /slow { content_by_lua_block {
    local ffi = require "ffi"
    ffi.cdef "int usleep(unsigned);"
    ffi.C.usleep(20000)
    ngx.say("slow") } }'

start "$build/baton" -c "$folder/hello.toml" 2> "$folder/hello.err"; baton=$!
start php-fpm8.2 -y "$folder/php.conf" 2> /dev/null; php=$!
start nginx -e "$folder/php-nginx.err" -c "$folder/php-nginx.conf"; nginx=$!
start "$build/bench_httplib" $httplib_port; httplib=$!
for port in $baton_port $php_port $httplib_port; do await_port $port; done

# -- hello ----------------------------------------------------------------------------------------------------------------

# measure ROW CONNECTIONS URL PID...: appends "requests/s p50 p99 cpu-us-per-request" to the row's file
measure() {
  local row=$1 connections=$2 url=$3 before=0 after=0 pid result
  shift 3
  for pid in "$@"; do before=$((before + $(cpu_ticks "$pid"))); done
  result=$(wrk -t2 -c"$connections" -d"${seconds}s" -s tests/bench/report.lua "$url" | grep '^RESULT')
  for pid in "$@"; do after=$((after + $(cpu_ticks "$pid"))); done
  echo "$result" | awk -v ticks=$((after - before)) -v us="$tick_us" '
    {if ($6 > $2 / 1000) {print "too many errors: " $0 > "/dev/stderr"; exit 1}
     printf "%.0f %d %d %.2f\n", $2 / $3, $4, $5, ticks * us / $2}' >> "$folder/$row.row"
}
column() { awk -v n="$2" '{print $n}' "$folder/$1.row" | median; }

echo "$(date -u +%F), $(machine), $(nginx -v 2>&1 | sed 's/.*: //'), PHP $(php-fpm8.2 -v | awk 'NR == 1 {print $2}'), cpp-httplib $(dpkg-query -W -f='${Version}' libcpp-httplib-dev)"
echo "hello: medians of $rounds rounds of $seconds s each, in turns; load: wrk on the same machine"
echo
echo "| hello | connections | requests/s | p50 us | p99 us | server CPU us/request |"
echo "| --- | ---: | ---: | ---: | ---: | ---: |"
for connections in 2 64; do
  rm -f "$folder"/*.row
  for _ in $(seq "$rounds"); do
    measure respond $connections "http://127.0.0.1:$baton_port/respond" "$baton"
    measure module $connections "http://127.0.0.1:$baton_port/module/" "$baton"
    measure php $connections "http://127.0.0.1:$php_port/" "$nginx" "$php"
    measure httplib $connections "http://127.0.0.1:$httplib_port/hello" "$httplib"
  done
  line() { echo "| $2 | $connections | $(column "$1" 1) | $(column "$1" 2) | $(column "$1" 3) | $(column "$1" 4) |"; }
  line respond "baton, respond"
  line module "baton, module"
  line php "nginx and PHP-FPM"
  line httplib "cpp-httplib"
  ratio() { awk -v a="$(column module "$2")" -v b="$(column "$1" "$2")" 'BEGIN {printf (b > 0) ? "%.2f" : "-", a / b}'; }
  echo "| **module / respond, PHP, httplib** | $connections | $(ratio respond 1), $(ratio php 1), $(ratio httplib 1) | | | $(ratio respond 4), $(ratio php 4), $(ratio httplib 4) |"
done
for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
wait 2>/dev/null || true
pids=()

# -- blocked --------------------------------------------------------------------------------------------------------------

start "$build/baton" -c "$folder/chaos.toml" 2> "$folder/chaos.err"; baton=$!
start nginx -e "$folder/lua.err" -c "$folder/lua.conf"
await_port $chaos_port
await_port $lua_port
blocked() { # ROW FAST SLOW
  wrk -t1 -c2 -d$((seconds + 1))s -H "Connection: close" "$3" > /dev/null & local slow=$!
  sleep 0.5
  PAUSE_MS=10 wrk -t2 -c64 -d"${seconds}s" -s tests/bench/paced.lua "$2" | awk '/^RESULT/ {printf "%.0f %d %d %d\n", $2 / $3, $4, $5, $6}' >> "$folder/$1.row"
  wait "$slow"
}
rm -f "$folder"/*.row
for _ in $(seq "$rounds"); do
  blocked shared "http://127.0.0.1:$chaos_port/respond" "http://127.0.0.1:$chaos_port/slow?ms=20"
  blocked module "http://127.0.0.1:$chaos_port/good" "http://127.0.0.1:$chaos_port/slow?ms=20"
  blocked own "http://127.0.0.1:$lua_port/respond" "http://127.0.0.1:$lua_port/slow"
done
echo
echo "Two clients call a route that sleeps 20 ms, without a pause, each time over a new connection; 64 clients a fast one, each 10 ms after its last response. 4 workers."
echo
echo "| fast route, beside the blocked one | requests/s | p50 us | p99 us |"
echo "| --- | ---: | ---: | ---: |"
echo "| baton, \`respond\` (one epoll set) | $(column shared 1) | $(column shared 2) | $(column shared 3) |"
echo "| baton, a module | $(column module 1) | $(column module 2) | $(column module 3) |"
echo "| nginx, \`return\` (a set per worker) | $(column own 1) | $(column own 2) | $(column own 3) |"

# -- chaos ----------------------------------------------------------------------------------------------------------------

PAUSE_MS=90 wrk -t1 -c10 -d"$((chaos_seconds + 2))s" -s tests/bench/paced.lua "http://127.0.0.1:$chaos_port/segfault" > "$folder/crashes.out" &
crashes=$!
sleep 1
before=$(grep -c 'killed by signal' "$folder/chaos.err" || true)
PAUSE_MS=5 wrk -t2 -c64 -d"${chaos_seconds}s" -s tests/bench/paced.lua "http://127.0.0.1:$chaos_port/good" > "$folder/good.out"
after=$(grep -c 'killed by signal' "$folder/chaos.err" || true)
wait "$crashes"
read -r _ requests _ p50 p99 errors < <(grep '^RESULT' "$folder/good.out")
echo
echo "| 64 clients beside crashes, $chaos_seconds s | crashes/s | requests | errors | p50 us | p99 us |"
echo "| --- | ---: | ---: | ---: | ---: | ---: |"
echo "| baton, module | $(((after - before) / chaos_seconds)) | $requests | $errors | $p50 | $p99 |"
[ "$errors" = 0 ]
