#!/bin/sh
# Runs each fuzzer for $1 seconds, starting from its corpus under tests/fuzz/corpus.
set -eu
seconds=$1
shift
for fuzzer in "$@"; do
  name=$(basename "$fuzzer")
  corpus=tests/fuzz/corpus/${name%_fuzzer}
  found=build/fuzz/found/$name
  mkdir -p "$found"
  [ -d "$corpus" ] || corpus=
  echo "  FUZZ  $name for $seconds s"
  "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="build/fuzz/$name-" "$found" $corpus
done
