# What the benchmarks share. Sourced.

[ "$(id -u)" != 0 ] || export BATON_USER=root  # which has to name somebody

family() { echo "$1"; cat "/proc/$1/task/$1/children" | tr ' ' '\n'; }  # a master and its workers
cpu_ticks() { local sum=0 pid; for pid in $(family "$1"); do
  sum=$((sum + $(sed 's/.*) //' "/proc/$pid/stat" | awk '{print $12 + $13}'))); done; echo $sum; }
median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
tick_us=$((1000000 / $(getconf CLK_TCK)))
machine() { echo "$(nproc) cores ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)), Linux $(uname -r)"; }
await_port() { for _ in $(seq 200); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.05; done; echo "nobody listens on port $1" >&2; return 1; }
