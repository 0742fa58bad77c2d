# baton: the front door. `make help` lists every target.

MODE     ?= release
BUILD    := build/$(MODE)
CXX      ?= g++
ifeq ($(origin CXX),default)
CXX      := g++
endif
WERROR   ?= -Werror
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-qual -Wformat=2 \
            -Wimplicit-fallthrough -Wunused $(WERROR)
OPT.release := -O2 -g
# With sanitizers gcc 12 finds optional members "maybe uninitialized" that are not.
OPT.asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -Wno-maybe-uninitialized
CPPFLAGS := -I. -D_GNU_SOURCE -MMD -MP
CXXFLAGS  = -std=c++20 $(OPT.$(MODE)) $(WARNINGS) -pthread
LDFLAGS  := $(OPT.$(MODE)) -pthread
LDLIBS   := -lrt
# What baton shares with the modules that it loads is as little as can be: no library of C++ but the standard one.
# OpenSSL is linked in, as the rest: a module may bring another one.
TLS_LDLIBS := -l:libssl.a -l:libcrypto.a
SERVER_LDLIBS := -ldw -l:libboost_context.a $(TLS_LDLIBS)
TEST_LDLIBS := -lgmock -lgtest -lgtest_main $(TLS_LDLIBS)

# What a module is compiled and linked with, so that it shares no variable with another one: docs/modules.md. baton.pc says the same.
MODULE_CFLAGS := -fvisibility=hidden -fno-gnu-unique
MODULE_LIBS   := -Wl,--exclude-libs,ALL

sources = $(shell find $(1) -name '*.cpp' $(2) 2>/dev/null | sort)
COMMON  := $(call sources,common)
WORKER  := $(call sources,worker)
MASTER  := $(call sources,master,! -name main.cpp)
CTL     := $(call sources,ctl,! -name main.cpp)
SUPPORT := $(call sources,tests/support)
UNIT    := $(call sources,tests/common tests/worker tests/master tests/ctl tests/sdk)
EPOLL   := $(call sources,tests/epoll)
INTEGRATION := $(call sources,tests/integration)
SURVIVAL := $(call sources,tests/survival)
HOSTILE := $(call sources,tests/hostile)
CAMPAIGN := $(call sources,tests/campaign)
FUZZERS := $(call sources,tests/fuzz)
MODULES := $(call sources,tests/modules)
ALL_SOURCES := $(COMMON) $(WORKER) $(MASTER) $(CTL) master/main.cpp ctl/main.cpp $(SUPPORT) $(UNIT) $(EPOLL) \
               $(INTEGRATION) $(SURVIVAL) $(CAMPAIGN) $(HOSTILE)
EXAMPLES := $(patsubst sdk/examples/%/baton.toml,%,$(wildcard sdk/examples/*/baton.toml))
objects = $(patsubst %.cpp,$(BUILD)/%.o,$(1))

# Sanitizers would report what these do on purpose.
FAULTY  := sdk/examples/chaos/chaos.o tests/modules/crasher.so tests/modules/deadly.so tests/modules/faulty.so
$(FAULTY:%=$(BUILD)/%): OPT.asan := -O1 -g -fno-omit-frame-pointer

modules := $(patsubst %.cpp,$(BUILD)/%.so,$(MODULES)) $(patsubst %.c,$(BUILD)/%.so,$(wildcard tests/modules/*.c))

# A second build of the server, with crash points (common/base/crash_point.h): only what has any is compiled again.
POINTS  := $(BUILD)/points
POINTED := $(shell grep -l 'include "common/base/crash_point.h"' $(COMMON) $(WORKER) $(MASTER) master/main.cpp)
points   = $(patsubst %.cpp,$(POINTS)/%.o,$(filter $(POINTED),$(1))) $(call objects,$(filter-out $(POINTED),$(1)))

BIN   := $(BUILD)/baton $(BUILD)/batonctl
TESTS := $(BUILD)/unit_tests $(BUILD)/epoll_tests $(BUILD)/integration_tests $(POINTS)/survival_tests $(BUILD)/hostile_tests

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:

.PHONY: build
build: ## Build baton, batonctl and the examples into build/release (MODE=asan: with sanitizers)
build: $(BIN) $(EXAMPLES:%=$(BUILD)/examples/%.so) demo compile_commands.json

# For clangd and other tools that read the source as the compiler does.
compile_commands.json: Makefile $(ALL_SOURCES) $(MODULES)
	@printf '%s\n' $(ALL_SOURCES) $(MODULES) $(wildcard sdk/examples/*/*.cpp) | sed '1s/^/[\n/; $$!s/$$/,/; $$s/$$/\n]/' | \
	  sed 's|^\([^][,]*\)\(,*\)$$|{"directory": "$(CURDIR)", "file": "\1", "command": "$(CXX) -std=c++20 -I. -Isdk -D_GNU_SOURCE -c \1"}\2|' > $@

# The module of the demo site, of whichever mode was built last: conf/baton.toml names it.
.PHONY: demo
demo: $(BUILD)/examples/chaos.so
	@mkdir -p build/demo
	@ln -sfn ../$(MODE)/examples/chaos.so build/demo/chaos.so

$(BUILD)/%.o: %.cpp
	@mkdir -p $(@D)
	@echo "  CXX   $<"
	@$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c $< -o $@

# Tests are compiled more often than run: nearly half of a whole build's time is saved. But not what puts load on a server.
$(BUILD)/tests/%.o: OPT.release := -O0 -g
$(BUILD)/tests/bench/%.o $(BUILD)/tests/support/%.o $(BUILD)/tests/campaign/%.o: OPT.release := -O2 -g

# A module sees nothing of the source tree but what is installed of it.
$(BUILD)/sdk/examples/%.o: sdk/examples/%.cpp
	@mkdir -p $(@D)
	@echo "  CXX   $<"
	@$(CXX) -Isdk -MMD -MP $(CXXFLAGS) -fPIC $(MODULE_CFLAGS) -c $< -o $@
$(foreach e,$(EXAMPLES),$(eval $(BUILD)/examples/$(e).so: $(BUILD)/sdk/examples/$(e)/$(e).o))
$(BUILD)/examples/todo.so: EXAMPLE_LDLIBS := -lsqlite3
$(BUILD)/examples/%.so:
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CXX) $(LDFLAGS) -shared $^ $(EXAMPLE_LDLIBS) $(MODULE_LIBS) -o $@

$(BUILD)/tests/sdk/%.o: CPPFLAGS += -Isdk
# That the boundary is plain C.
$(BUILD)/tests/sdk/%.o: tests/sdk/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) -I. -MMD -MP -std=c99 -pedantic -Wall -Wextra -Werror $(OPT.$(MODE)) -c $< -o $@

$(POINTS)/%.o: %.cpp
	@mkdir -p $(@D)
	@echo "  CXX   $< (crash points)"
	@$(CXX) $(CPPFLAGS) $(CXXFLAGS) -DBATON_CRASH_POINTS -c $< -o $@

define link
@echo "  LINK  $@"
@$(CXX) $(LDFLAGS) $^ $(LDLIBS) -o $@
endef

$(BUILD)/baton: $(call objects,master/main.cpp $(MASTER) $(WORKER) $(COMMON))
	$(link) $(SERVER_LDLIBS)
$(BUILD)/batonctl: $(call objects,ctl/main.cpp $(CTL) $(wildcard common/base/*.cpp common/shared/*.cpp common/stats/*.cpp))
	$(link)
$(POINTS)/baton: $(call points,master/main.cpp $(MASTER) $(WORKER) $(COMMON))
	$(link) $(SERVER_LDLIBS)
$(POINTS)/batonctl: $(BUILD)/batonctl
	@mkdir -p $(@D)
	@ln -f $< $@
$(BUILD)/unit_tests: $(call objects,$(UNIT) $(SUPPORT) $(MASTER) $(WORKER) $(CTL) $(COMMON)) $(BUILD)/tests/sdk/abi_c99.o | $(modules) demo
	$(link) $(SERVER_LDLIBS) $(TEST_LDLIBS)
$(BUILD)/epoll_tests: $(call objects,$(EPOLL))
	$(link) $(TEST_LDLIBS)
$(BUILD)/integration_tests: $(call objects,$(INTEGRATION) $(SUPPORT) $(COMMON)) | $(BUILD)/baton_next $(BUILD)/baton_other $(modules) $(EXAMPLES:%=$(BUILD)/examples/%.so)
	$(link) $(TEST_LDLIBS)

$(BUILD)/hostile_tests: $(call objects,$(HOSTILE) $(SUPPORT) $(COMMON)) | $(BUILD)/baton $(BUILD)/batonctl
	$(link) $(TEST_LDLIBS)

# Modules for the tests, which the servers load that they start. With a symbol left open, where that is what is tested.
$(BUILD)/tests/modules/%.so: tests/modules/%.c sdk/baton/abi.h
	@mkdir -p $(@D)
	@echo "  CC    $< (module)"
	@$(CC) -Isdk -std=gnu11 $(OPT.$(MODE)) -Wall -Wextra $(WERROR) -shared -fPIC $(MODULE_CFLAGS) $< $(MODULE_LIBS) -o $@
$(BUILD)/tests/modules/%.so: tests/modules/%.cpp
	@mkdir -p $(@D)
	@echo "  CXX   $< (module)"
	@$(CXX) $(CPPFLAGS) -Isdk $(CXXFLAGS) $(MODULE_DEFINES) -MF $(@:.so=.d) -shared -fPIC $(MODULE_CFLAGS) $< $(MODULE_LIBS) $(OWN_LIBS) -o $@
# Built as one who knows nothing of the flags would.
$(BUILD)/tests/modules/shares_%.so: MODULE_CFLAGS :=
$(BUILD)/tests/modules/shares_%.so: MODULE_LIBS :=
$(BUILD)/tests/modules/spdlogger.so: MODULE_DEFINES := -DSPDLOG_COMPILED_LIB -DSPDLOG_FMT_EXTERNAL
$(BUILD)/tests/modules/spdlogger.so: OWN_LIBS := -lspdlog -lfmt

# What the tests of an upgrade upgrade to: another version, and one with another layout of the shared memory.
$(BUILD)/variants/next.o: VARIANT := -DBATON_VERSION='"99.1.2"'
$(BUILD)/variants/other.o: VARIANT := -DBATON_VERSION='"99.2.0"' -DBATON_LAYOUT_VERSION=999
$(BUILD)/variants/%.o: common/base/version.cpp common/base/version.h
	@mkdir -p $(@D)
	@echo "  CXX   $< ($*)"
	@$(CXX) $(CPPFLAGS) $(CXXFLAGS) $(VARIANT) -c $< -o $@
$(BUILD)/baton_%: $(BUILD)/variants/%.o $(call objects,master/main.cpp $(MASTER) $(WORKER) $(filter-out common/base/version.cpp,$(COMMON)))
	$(link) $(SERVER_LDLIBS)

# Beside the server that they start.
$(POINTS)/survival_tests: $(call objects,$(SURVIVAL) $(SUPPORT) $(COMMON)) | $(POINTS)/baton $(POINTS)/batonctl $(POINTS)/survive $(modules)
	@mkdir -p $(@D)
	$(link) $(TEST_LDLIBS)
$(POINTS)/survive: $(call objects,$(CAMPAIGN) $(SUPPORT) $(COMMON)) | $(POINTS)/baton $(POINTS)/batonctl
	@mkdir -p $(@D)
	$(link) -lgmock -lgtest $(TLS_LDLIBS)

# -- what it takes ------------------------------------------------------------------------------------------------------

BUILD_PACKAGES := g++ libspdlog-dev libfmt-dev libboost-dev libboost-context-dev libtomlplusplus-dev libcli11-dev nlohmann-json3-dev media-types \
                  libbackward-cpp-dev libdw-dev libsqlite3-dev libssl-dev
TEST_PACKAGES  := libgtest-dev libgmock-dev pkgconf
CHECK_PACKAGES := clang-format clang-tidy
FUZZ_PACKAGES  := clang libclang-rt-14-dev
BENCH_PACKAGES := nginx-light wrk libnginx-mod-http-lua php-fpm libcpp-httplib-dev
SIEGE_PACKAGES := python3 nginx-light
PEER_PACKAGES  := python3 nginx-light apache2-bin haproxy gunicorn php-fpm

# Installs those of the Debian packages $(1) that are missing; says what to install where it cannot.
define need
@missing=$$(for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
[ -z "$$missing" ] || { \
  echo "  NEED  "$$missing; \
  command -v apt-get >/dev/null || { echo "install the equivalents of these Debian packages:" $$missing >&2; exit 1; }; \
  [ "$$(id -u)" = 0 ] && sudo= || { sudo=sudo; command -v sudo >/dev/null || { \
    echo "not root and no sudo; as root, run: apt-get install --no-install-recommends" $$missing >&2; exit 1; }; }; \
  export DEBIAN_FRONTEND=noninteractive; \
  $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null 2>&1 || { \
    $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null; }; }
endef

.PHONY: deps test-deps
deps:
	$(call need,$(BUILD_PACKAGES))
test-deps: deps
	$(call need,$(TEST_PACKAGES))

# -- running and testing ------------------------------------------------------------------------------------------------

JOBS := $(shell nproc)

.PHONY: run
run: ## Install what is missing, build, and serve the demo site on http://127.0.0.1:8080 until Ctrl-C
run: deps
	@$(MAKE) --no-print-directory -j$(JOBS) build
	@echo "  RUN   http://127.0.0.1:8080  (Ctrl-C ends it; build/release/batonctl -c conf/baton.toml stats)"
	@# Root has to name somebody; nobody but root could read a checkout of root's.
	@# Ctrl-C goes to all of them: the shell is to wait for the server, whose exit status then says 130, and make to see no error.
	@trap : INT; $(BUILD)/baton -c conf/baton.toml $$([ "$$(id -u)" = 0 ] && echo --user root); status=$$?; [ $$status = 130 ] || exit $$status

.PHONY: test
test: ## Install what is missing, build, and pass every test (WITHOUT=fsgsbase,dispatch,pkeys: as if the machine had none of these)
test: test-deps
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=$(MODE) build $(TESTS)
	@$(if $(WITHOUT),BATON_WITHOUT=$(WITHOUT)) tests/run.sh $(TESTS)

SURVIVE_FLAGS ?=

.PHONY: survive
survive: ## The fault campaign: 2,000 kills in 60 s under clients that check every byte (SURVIVE_FLAGS="--seed 1")
survive: test-deps
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=$(MODE) $(POINTS)/survive
	@$(POINTS)/survive $(SURVIVE_FLAGS)

.PHONY: asan
asan: ## All tests with AddressSanitizer and UndefinedBehaviorSanitizer
asan:
	@$(MAKE) --no-print-directory MODE=asan test

.PHONY: check
check: ## Formatting, clang-tidy, include direction, warnings as errors, no skipped test
check: test-deps
	$(call need,$(CHECK_PACKAGES))
	@tests/check.sh $(JOBS)

FUZZ_SECONDS ?= 60
FUZZ_FLAGS := -std=c++20 -I. -Isdk -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
fuzzers := $(patsubst tests/fuzz/%.cpp,build/fuzz/%,$(FUZZERS))

build/fuzz/%: tests/fuzz/%.cpp $(wildcard common/*/*.cpp common/*/*.h sdk/baton/*.h tests/support/beast_*)
	@mkdir -p $(@D)
	@echo "  FUZZ  $<"
	@clang++ $(FUZZ_FLAGS) $< $(COMMON) \
	  $(wildcard tests/support/beast_*.cpp) $(ALSO) $(LDLIBS) -o $@
build/fuzz/tls_handshake_fuzzer: ALSO := $(call sources,worker/tls) \
  $(addprefix tests/support/,certificates.cpp temp_dir.cpp tls_client.cpp) $(TLS_LDLIBS)
build/fuzz/tls_handshake_fuzzer: $(wildcard worker/tls/* tests/support/certificates.* tests/support/tls_client.*)

.PHONY: fuzz
fuzz: ## Run each fuzzer for FUZZ_SECONDS (60), and as long one that writes random words under a running server
fuzz: test-deps
	$(call need,$(FUZZ_PACKAGES))
	@$(MAKE) --no-print-directory -j$(JOBS) $(fuzzers)
	@tests/fuzz/run.sh $(FUZZ_SECONDS) $(fuzzers)
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=asan build build/asan/hostile_tests
	@HOSTILE_SECONDS=$(FUZZ_SECONDS) build/asan/hostile_tests

.PHONY: bench
bench: ## Compare with nginx in one run: requests/s, latency, CPU per request, memory per idle connection
bench: deps
	$(call need,$(BENCH_PACKAGES))
	@$(MAKE) --no-print-directory -j$(JOBS) build $(BUILD)/bench_idle $(BUILD)/bench_httplib
	@tests/bench/run.sh $(BUILD)
	@echo
	@tests/bench/modules.sh $(BUILD)

SIEGE_FLAGS ?=

.PHONY: siege
siege: ## What hostile clients cost a good one, and memory and disk, beside nginx (SIEGE_FLAGS="--seconds 3 idle silent")
siege: deps
	$(call need,$(SIEGE_PACKAGES))
	@$(MAKE) --no-print-directory -j$(JOBS) build $(BUILD)/tests/modules/good.so
	@python3 tests/siege/siege.py $(BUILD) $(SIEGE_FLAGS)

PEER_ROUNDS   ?= 3
PEER_SERVICES := nginx haproxy php8.2-fpm

# Debian starts a service as it is installed: those that were not running before are stopped again. They stay enabled, as apt leaves them.
.PHONY: survive-peers
survive-peers: ## What clients of nginx, Apache, HAProxy, gunicorn, php-fpm and baton see of deaths, reloads and upgrades
survive-peers: deps
	@mkdir -p build
	@if [ -d /run/systemd/system ]; then for s in $(PEER_SERVICES); do systemctl -q is-active $$s || echo $$s; done; fi > build/peers-inactive
	$(call need,$(PEER_PACKAGES))
	@for s in $$(cat build/peers-inactive); do if systemctl -q is-active $$s; then \
	  echo "  STOP  $$s"; [ "$$(id -u)" = 0 ] && systemctl stop $$s || sudo systemctl stop $$s; fi; done
	@$(MAKE) --no-print-directory -j$(JOBS) build $(BUILD)/tests/modules/peer.so
	@python3 tests/survival/peers.py $(BUILD) $(PEER_ROUNDS)

$(BUILD)/bench_idle: $(BUILD)/tests/bench/idle.o
	$(link)
$(BUILD)/bench_httplib: $(BUILD)/tests/bench/httplib_hello.o
	@echo "  LINK  $@"
	@$(CXX) $(LDFLAGS) $^ -o $@ -lcpp-httplib

# -- installing ---------------------------------------------------------------------------------------------------------

PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc

VERSION := $(shell sed -n 's/^.define BATON_VERSION "\(.*\)"/\1/p' common/base/version.cpp)

# What modules are built with.
.PHONY: install-sdk
install-sdk:
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/baton sdk/baton/*.h
	install -d $(DESTDIR)$(PREFIX)/share/pkgconfig
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|; s|@CFLAGS@|$(MODULE_CFLAGS)|; s|@LIBS@|$(MODULE_LIBS)|' sdk/baton.pc.in > $(DESTDIR)$(PREFIX)/share/pkgconfig/baton.pc

.PHONY: install
install: ## Install under PREFIX (/usr/local), the configuration under SYSCONFDIR (/etc); honours DESTDIR
install: build install-sdk
	install -D -m 755 $(BUILD)/baton $(DESTDIR)$(PREFIX)/sbin/baton
	install -D -m 755 $(BUILD)/batonctl $(DESTDIR)$(PREFIX)/bin/batonctl
	install -D -m 644 docs/baton.8 $(DESTDIR)$(PREFIX)/share/man/man8/baton.8
	install -D -m 644 docs/batonctl.1 $(DESTDIR)$(PREFIX)/share/man/man1/batonctl.1
	@# An administrator's configuration is never overwritten.
	install -D -m 644 $(BUILD)/examples/chaos.so $(DESTDIR)$(PREFIX)/lib/baton/chaos.so
	install -d $(DESTDIR)$(SYSCONFDIR)/baton
	[ -e $(DESTDIR)$(SYSCONFDIR)/baton/baton.toml ] || sed 's|"../build/demo/|"$(PREFIX)/lib/baton/|; s|^# user = ""|user = "baton"|' conf/baton.toml > $(DESTDIR)$(SYSCONFDIR)/baton/baton.toml
	[ -e $(DESTDIR)$(SYSCONFDIR)/baton/site ] || cp -r conf/site $(DESTDIR)$(SYSCONFDIR)/baton/site
	install -D -m 644 conf/baton.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/baton.conf
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|/usr/sbin/|$(PREFIX)/sbin/|; s|/usr/bin/|$(PREFIX)/bin/|' conf/baton.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/baton.service

.PHONY: clean
clean: ## Remove build/
	rm -rf build

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

-include $(patsubst %.o,%.d,$(call objects,$(ALL_SOURCES) $(foreach e,$(EXAMPLES),sdk/examples/$(e)/$(e).cpp)) \
          $(BUILD)/tests/sdk/abi_c99.o $(patsubst %.cpp,$(POINTS)/%.o,$(POINTED)) $(modules:.so=.o))
