#!/bin/sh
# What `make check` checks besides building: formatting, include direction, skipped tests, clang-tidy. $1: parallel jobs.
set -eu
jobs=$1
fail() { echo "check: $*" >&2; exit 1; }
sources=$(git ls-files '*.cpp' '*.h')

echo "  CHECK formatting"
printf '%s\n' $sources | xargs clang-format --dry-run --Werror

echo "  CHECK include direction: each folder sees those before it, as docs/architecture.md draws them"
allow() { # folder, pattern of what it may include besides itself
  if git grep -nE '^#include "' -- "$1" | grep -vE "#include \"($1|$2)/"; then fail "$1 may include no other folder than itself and $2"; fi
}
allow common/base    'none'
allow common/http    'common/base'
allow common/config  'common/(base|http)'
allow common/shared  'common/base'
allow common/dict    'common/(base|shared)'
allow common/stats   'common/(base|shared)'
allow worker/tls     'common/[a-z]+'
allow worker/route   'common/[a-z]+'
allow worker/process 'common/[a-z]+|worker/route'
allow worker/connection 'common/[a-z]+|worker/(route|process|tls)'
allow worker/app     'common/[a-z]+|worker/(route|process)|sdk/baton'
allow worker/serve   'common/[a-z]+|worker/(route|process|connection|app)'
allow worker/h1      'common/[a-z]+|worker/(route|process|connection|app|serve)'
allow worker         'common/[a-z]+|worker/[a-z0-9]+|sdk/baton'
allow master         'common/[a-z]+|worker|worker/[a-z0-9]+'
allow ctl            'common/(base|shared|stats)'
if git grep -nE '^#include "(common|worker|master|ctl|tests|sdk)/' -- sdk; then fail "the SDK sees nothing of the tree"; fi

echo "  CHECK crash points are in .cpp files only, which are compiled twice"
if git grep -n 'include "common/base/crash_point.h"' -- '*.h' ':!tests'; then fail "these would differ between the builds"; fi

echo "  CHECK no skipped or disabled test, no unfinished mark"
if git grep -nE 'GTEST_SKIP|DISABLED_|TODO|FIXME' -- '*.cpp' '*.h'; then fail "finish or remove these"; fi

echo "  CHECK warnings are errors"
grep -q 'WERROR   ?= -Werror' Makefile || fail "the Makefile no longer makes warnings errors"

echo "  CHECK clang-tidy"
git ls-files 'common/*.cpp' 'worker/*.cpp' 'master/*.cpp' 'ctl/*.cpp' 'sdk/*.cpp' |
  xargs -P "$jobs" -n 3 sh -c 'clang-tidy --quiet "$@" -- -std=c++20 -I. -Isdk -D_GNU_SOURCE 2>/dev/null' clang-tidy ||
  fail "see above"
echo "all checks passed"
