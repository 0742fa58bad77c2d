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
OPT.asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
CPPFLAGS := -I. -DSPDLOG_COMPILED_LIB -DSPDLOG_FMT_EXTERNAL -D_GNU_SOURCE -MMD -MP
CXXFLAGS := -std=c++20 $(OPT.$(MODE)) $(WARNINGS) -pthread
LDFLAGS  := $(OPT.$(MODE)) -pthread
LDLIBS   := -lspdlog -lfmt -lrt
TEST_LDLIBS := -lgmock -lgtest -lgtest_main

sources = $(shell find $(1) -name '*.cpp' $(2) 2>/dev/null | sort)
COMMON  := $(call sources,common)
WORKER  := $(call sources,worker)
MASTER  := $(call sources,master,! -name main.cpp)
CTL     := $(call sources,ctl,! -name main.cpp)
SUPPORT := $(call sources,tests/support)
UNIT    := $(call sources,tests/common tests/worker tests/master tests/ctl)
EPOLL   := $(call sources,tests/epoll)
INTEGRATION := $(call sources,tests/integration)
FUZZERS := $(call sources,tests/fuzz)
ALL_SOURCES := $(COMMON) $(WORKER) $(MASTER) $(CTL) master/main.cpp ctl/main.cpp $(SUPPORT) $(UNIT) $(EPOLL) \
               $(INTEGRATION)
objects = $(patsubst %.cpp,$(BUILD)/%.o,$(1))

BIN   := $(BUILD)/baton $(BUILD)/batonctl
TESTS := $(BUILD)/unit_tests $(BUILD)/epoll_tests $(BUILD)/integration_tests

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:

.PHONY: build
build: ## Build baton and batonctl into build/release (MODE=asan: with sanitizers)
build: $(BIN)

$(BUILD)/%.o: %.cpp
	@mkdir -p $(@D)
	@echo "  CXX   $<"
	@$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c $< -o $@

define link
@echo "  LINK  $@"
@$(CXX) $(LDFLAGS) $^ $(LDLIBS) -o $@
endef

$(BUILD)/baton: $(call objects,master/main.cpp $(MASTER) $(WORKER) $(COMMON))
	$(link)
$(BUILD)/batonctl: $(call objects,ctl/main.cpp $(CTL) $(COMMON))
	$(link)
$(BUILD)/unit_tests: $(call objects,$(UNIT) $(SUPPORT) $(MASTER) $(WORKER) $(CTL) $(COMMON))
	$(link) $(TEST_LDLIBS)
$(BUILD)/epoll_tests: $(call objects,$(EPOLL))
	$(link) $(TEST_LDLIBS)
$(BUILD)/integration_tests: $(call objects,$(INTEGRATION) $(SUPPORT) $(COMMON))
	$(link) $(TEST_LDLIBS)

-include $(patsubst %.o,%.d,$(call objects,$(ALL_SOURCES)))
