#!/bin/sh
# Runs the given test programs one after the other and closes with one line of totals. Fails when a test failed, when none ran, or
# when one was skipped.
set -u
passed=0 failed=0 status=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for program in "$@"; do
  echo "  TEST  $program"
  "$program" --gtest_brief=1 --gtest_output="json:$folder/result.json" || status=1
  count() { sed -n "s/^  \"$1\": \([0-9]*\),*$/\1/p" "$folder/result.json" 2>/dev/null | head -n 1; }
  tests=$(count tests) failures=$(count failures)
  if [ -z "$tests" ] || [ "$tests" = 0 ]; then
    echo "$program ended without a result" >&2
    failed=$((failed + 1))
    status=1
  else
    passed=$((passed + tests - failures)) failed=$((failed + failures))
  fi
  if grep -q '"result": "SKIPPED"' "$folder/result.json" 2>/dev/null; then
    echo "$program skipped a test" >&2
    status=1
  fi
  rm -f "$folder/result.json"
done
echo "$passed passed, $failed failed"
exit $status
