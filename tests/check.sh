#!/bin/sh
# What `make check` checks besides building: formatting, include direction, skipped tests, clang-tidy. $1: parallel jobs.
set -eu
jobs=$1
fail() { echo "check: $*" >&2; exit 1; }
sources=$(git ls-files '*.cpp' '*.h')

echo "  CHECK formatting"
printf '%s\n' $sources | xargs clang-format --dry-run --Werror

echo "  CHECK include direction: common <- worker <- master; ctl sees common only"
forbid() { # folder, pattern of what it must not include
  if git grep -nE "^#include \"($2)/" -- "$1"; then fail "$1 must not include these"; fi
}
forbid common 'worker|master|ctl|tests'
forbid worker 'master|ctl|tests'
forbid master 'ctl|tests'
forbid ctl 'worker|master|tests'
forbid sdk 'common|worker|master|ctl|tests|sdk'

echo "  CHECK crash points are in .cpp files only, which are compiled twice"
if git grep -n 'include "common/crash_point.h"' -- '*.h' ':!tests'; then fail "these would differ between the builds"; fi

echo "  CHECK no skipped or disabled test, no unfinished mark"
if git grep -nE 'GTEST_SKIP|DISABLED_|TODO|FIXME' -- '*.cpp' '*.h'; then fail "finish or remove these"; fi

echo "  CHECK warnings are errors"
grep -q 'WERROR   ?= -Werror' Makefile || fail "the Makefile no longer makes warnings errors"

echo "  CHECK clang-tidy"
git ls-files 'common/*.cpp' 'worker/*.cpp' 'master/*.cpp' 'ctl/*.cpp' 'sdk/*.cpp' |
  xargs -P "$jobs" -n 3 sh -c 'clang-tidy --quiet "$@" -- -std=c++20 -I. -Isdk -D_GNU_SOURCE 2>/dev/null' clang-tidy ||
  fail "see above"
echo "all checks passed"
