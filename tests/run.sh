#!/bin/sh
# Runs the given test programs side by side, as they mostly wait, and closes with one line of totals. Fails when a test failed, when
# none ran, or when one was skipped. What a program prints is shown when it and those before it have ended.
set -u
passed=0 failed=0 status=0 number=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for program in "$@"; do
  number=$((number + 1))
  "$program" --gtest_brief=1 --gtest_output="json:$folder/$number.json" > "$folder/$number.out" 2>&1 &
  eval "pid_$number=$!"
done
number=0
for program in "$@"; do
  number=$((number + 1))
  eval "pid=\$pid_$number"
  echo "  TEST  $program"
  wait "$pid" || status=1
  cat "$folder/$number.out"
  count() { sed -n "s/^  \"$1\": \([0-9]*\),*$/\1/p" "$folder/$number.json" 2>/dev/null | head -n 1; }
  tests=$(count tests) failures=$(count failures)
  if [ -z "$tests" ] || [ "$tests" = 0 ]; then
    echo "$program ended without a result" >&2
    failed=$((failed + 1))
    status=1
  else
    passed=$((passed + tests - failures)) failed=$((failed + failures))
  fi
  if grep -q '"result": "SKIPPED"' "$folder/$number.json" 2>/dev/null; then
    echo "$program skipped a test" >&2
    status=1
  fi
done
echo "$passed passed, $failed failed"
exit $status
