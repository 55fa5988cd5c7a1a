# `make demo` and `make test` do all set-up themselves; `make help` lists every target.
SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory --no-builtin-rules
# One suite after the other; the programs of one are built side by side.
ifndef SIDE_BY_SIDE
.NOTPARALLEL:
endif
.DELETE_ON_ERROR:
.SECONDARY:

PROGRAMS := env SIDE_BY_SIDE=1 $(MAKE) -j 2
S      := tests/scripts
STEP   := $(S)/step
PY     := .venv/bin/python
OUT    := target/release
LOCKED := $(if $(CI),--locked)
TIME   ?= 20
# All traffic of the tests is with this machine, whatever proxy the environment names.
export no_proxy    := localhost,127.0.0.1,::1,$(no_proxy)
export PYO3_PYTHON := $(CURDIR)/$(PY)
export PATH        := $(PATH):$(HOME)/.cargo/bin

CC       ?= cc
CXX      ?= c++
WARN     := -Wall -Wextra -pedantic -Werror
CFLAGS   := -std=c11 -D_GNU_SOURCE -O2 -g $(WARN) -Iinclude -Itests/c
CXXFLAGS := -std=c++20 -O2 -g $(WARN) -Iinclude -Itests/c
SYSLIBS  := $(shell cat packaging/system-libraries)

# Programs for outside judges; every other C or C++ file in tests/c is a test that exits with 0.
TESTEES_C  := $(OUT)/echo-server-c $(OUT)/echo-client-c $(OUT)/talk-c
TESTEE_SRC := echo_server echo_client talk
names       = $(basename $(notdir $(wildcard $(1)/*.c $(1)/*.cpp)))
TESTS_C    := $(filter-out $(TESTEE_SRC),$(call names,tests/c))
# The libraries of other loops, and of the examples.
HOSTS := gcc,g++,pkg-config,boost,pc:Qt5Core,pc:glib-2.0,pc:libuv,pc:ncursesw
# Those of which valgrind shall see every byte.
VALGRIND_C := arguments coroutine detach exception foreign_loop forked handles inside leaving misuse order pieces races reconnect requests signals threads timers versions waiter wrapper wrapper_more
PROGRAMS_C := $(foreach n,$(TESTS_C),target/c/static/$(n) target/c/shared/$(n))
# C++ programs get a name of their own beside those in C: `hello.cpp` becomes `hello-cpp`.
# One program in C and one in C++ for the scenarios of tests/interop/faults.
FAULTS_C   := target/c/faults/driver-c target/c/faults/driver-cpp
# The scenarios of tests/browser in C++.
BROWSER_C  := target/c/browser/player-cpp
EXAMPLES_C := $(patsubst examples/c/%.c,target/c/examples/%,$(wildcard examples/c/*.c)) \
              $(patsubst %.cpp,target/c/examples/%-cpp,$(notdir $(wildcard examples/cpp/*.cpp)))

.PHONY: help demo test setup build ahead clean FORCE \
  check fmt clippy features doc limits deny header \
  rust-release python-ext examples-c echo-server-c echo-client-c talk-c programs-c \
  test-rust test-c test-docs man test-python test-browser test-wpt wpt stubs test-network test-hosts test-sanitizers test-threads-sanitizer valgrind autobahn autobahn-full interop fuzz fuzz-short bench bench-memory

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' Makefile | column -t -s '|'

demo: setup build ## a wss:// conversation between Rust, C, C++ and Python
	@$(OUT)/demo "Rust=$(OUT)/demo-client" "C=target/c/examples/demo_client" "C++=target/c/examples/demo_client-cpp" \
	  "Python=$(PY) examples/python/demo_callbacks.py" "Python asyncio=$(PY) examples/python/demo_asyncio.py"

test: summary setup check test-rust build ahead test-c test-hosts test-docs test-packaging test-python interop test-network test-browser test-wpt autobahn valgrind test-sanitizers fuzz-short ## everything that decides whether a change lands
	@echo "All suites passed."

.PHONY: summary
summary:
	@mkdir -p target/logs && : > target/logs/summary

setup: ## virtual environment, npm packages and system packages, only what is missing
	@$(S)/setup

# ---- building -------------------------------------------------------------------------------

build: setup rust-release $(TESTEES_C) $(FAULTS_C) examples-c python-ext ## release builds of everything

ahead: ## starts to build, beside other suites, what the last ones need
	@$(S)/ahead

rust-release:
	@$(STEP) "build: Rust, release" cargo build $(LOCKED) --release --workspace --exclude tightwire-python --bins --lib --examples

$(OUT)/libtightwire.a $(OUT)/libtightwire.so &: FORCE
	@$(STEP) "build: library for C" cargo build $(LOCKED) --release -p tightwire-ffi

python-ext: setup
	@$(STEP) "build: Python extension" $(S)/python-ext

echo-server-c: $(OUT)/echo-server-c ## the C echo server, in target/release
echo-client-c: $(OUT)/echo-client-c ## the C client for Autobahn, in target/release
talk-c:        $(OUT)/talk-c
examples-c:    $(EXAMPLES_C) ## C and C++ examples, in target/c/examples
programs-c:    $(PROGRAMS_C)

LIB_C  := $(OUT)/libtightwire.a include/tightwire.h
shared := -L$(OUT) -ltightwire -Wl,-rpath,'$$ORIGIN/../../release'

.SECONDEXPANSION:
$(TESTEES_C): $(OUT)/%-c: tests/c/$$(subst -,_,$$*).c $(wildcard tests/c/*.h) $(LIB_C)
	$(CC) $(CFLAGS) $< $(OUT)/libtightwire.a $(SYSLIBS) -o $@

target/c/%/.dir:
	@mkdir -p $(@D) && touch $@

# Compiled once, linked with both libraries; those in C without the compiler of C++.
target/c/objects/%.o: tests/c/%.c $(wildcard tests/c/*.h) include/tightwire.h | target/c/objects/.dir
	$(CC) $(CFLAGS) -c $< -o $@
target/c/objects/%.o: tests/c/%.cpp $(wildcard tests/c/*.h*) $(wildcard include/*) | target/c/objects/.dir
	$(CXX) $(CXXFLAGS) -c $< -o $@
linker = $(if $(wildcard tests/c/$*.cpp),$(CXX),$(CC))
target/c/static/%: target/c/objects/%.o $(OUT)/libtightwire.a | target/c/static/.dir
	$(linker) $< $(OUT)/libtightwire.a $(SYSLIBS) -o $@
target/c/shared/%: target/c/objects/%.o $(OUT)/libtightwire.a | target/c/shared/.dir
	$(linker) $< $(shared) -lpthread -o $@
target/c/faults/driver-c: tests/interop/faults/driver.c $(LIB_C) | target/c/faults/.dir
	$(CC) $(CFLAGS) $< $(OUT)/libtightwire.a $(SYSLIBS) -o $@
target/c/faults/driver-cpp: tests/interop/faults/driver.cpp $(wildcard include/*) $(LIB_C) | target/c/faults/.dir
	$(CXX) $(CXXFLAGS) $< $(OUT)/libtightwire.a $(SYSLIBS) -o $@
target/c/browser/player-cpp: tests/browser/player.cpp $(wildcard include/*) $(LIB_C) | target/c/browser/.dir
	$(CXX) $(CXXFLAGS) $< $(OUT)/libtightwire.a $(SYSLIBS) -o $@
target/c/examples/%: examples/c/%.c $(LIB_C) | target/c/examples/.dir
	@$(S)/example $< $@ $(WARN) -Iinclude -O2 -g $(shared)
target/c/examples/%-cpp: examples/cpp/%.cpp $(wildcard include/*) $(LIB_C) | target/c/examples/.dir
	@$(S)/example $< $@ $(WARN) -Iinclude -O2 -g $(shared)

include packaging/packaging.mk

# ---- checking -------------------------------------------------------------------------------

check: setup fmt limits clippy features doc ## format, lints, features alone, documentation, sizes

fmt:
	@$(STEP) "check: format" $(S)/fmt
limits:
	@$(STEP) "check: sizes of files and functions" $(PY) $(S)/limits.py
clippy:
	@$(STEP) "check: clippy" cargo clippy $(LOCKED) --release --workspace --all-targets -- -D warnings
features:
	@$(STEP) "check: proto and each feature alone" $(S)/features
doc:
	@$(STEP) "check: documentation" env RUSTDOCFLAGS="-D warnings" cargo doc $(LOCKED) --release --workspace --no-deps
deny: ## licences, bans and sources, where cargo-deny is installed
	@$(STEP) "check: cargo deny" $(S)/deny
man: ## manual pages from include/tightwire.h, in target/man
	@python3 docs/man/generate.py target/man
header: ## write include/tightwire.h anew
	UPDATE=1 cargo test -p tightwire-ffi --test header

# ---- testing --------------------------------------------------------------------------------

test-rust: setup ## unit, property, loopback and documentation tests
	@$(STEP) "test: Rust" --need strace,openssl $(S)/test-rust
test-c: setup $(OUT)/libtightwire.a ## each program of tests/c against both libraries
	@$(STEP) "build: C and C++ tests" --need gcc,g++ $(PROGRAMS) programs-c examples-c
	@$(STEP) "test: C and C++" --need gcc,g++,strace $(S)/test-c $(PROGRAMS_C)
test-docs: setup $(OUT)/libtightwire.a ## manual pages and guides: complete, clean, and every program in them runs
	@$(STEP) "test: documentation" --need mandoc,groff,gcc,g++ $(PY) -m pytest -q tests/docs
test-python: setup python-ext ## the Python binding's own tests
	@$(STEP) "test: Python" env PYTHONDEVMODE=1 $(PY) -m pytest -q -n 2 --dist worksteal python/tests
test-hosts: setup $(OUT)/libtightwire.a $(OUT)/echo-server-c ## one program in every loop that a host may have, and the examples
	@$(STEP) "build: examples" --need $(HOSTS) $(PROGRAMS) examples-c
	@$(STEP) "test: hosts" --need $(HOSTS) $(PY) -m pytest -q -n 2 tests/hosts
test-sanitizers: setup $(OUT)/echo-server-c ## the C and C++ tests, hosts and examples with AddressSanitizer on both sides of the interface
	@$(STEP) "test: C under AddressSanitizer" --need clang-asan tests/sanitizers/run
test-threads-sanitizer: setup ## the tests of C and C++ with several threads under ThreadSanitizer
	@$(STEP) "test: C under ThreadSanitizer" --need clang-asan tests/sanitizers/threads
valgrind: setup $(TESTEES_C) $(addprefix target/c/static/,$(VALGRIND_C)) ## C server, C client, the tests of misuse and of lifetimes under valgrind
	@$(STEP) "test: C under valgrind" --need valgrind,openssl $(PY) $(S)/valgrind.py
	@$(STEP) "test: misuse under valgrind" --need valgrind env CHECK_ROUNDS=30 tests/c/run.sh --valgrind $(addprefix target/c/static/,$(VALGRIND_C))
interop: setup rust-release $(TESTEES_C) $(FAULTS_C) python-ext ## against websockets, npm ws and OpenSSL, both roles
	@$(STEP) "test: interop" --need node,npm,openssl,gcc,g++,tinyproxy,microsocks,squid,stunnel,danted,nginx,haproxy $(PY) -m pytest -q -n 2 tests/interop
test-network: setup rust-release $(TESTEES_C) python-ext ## silence, loss, dead addresses and a dead resolver, in network namespaces
	@$(STEP) "test: network" --need ip,nft,unshare,nsenter,setpriv,gcc $(PY) -m pytest -q -n 4 --dist worksteal tests/network
test-browser: setup rust-release $(TESTEES_C) python-ext ## headless Chromium as a client, and as the measure of our classes in Python and C++
	@$(STEP) "build: player in C++" --need g++,boost-json $(MAKE) $(BROWSER_C)
	@$(STEP) "test: browser" --need chromium,gcc $(PY) -m pytest -q -n 2 --dist loadgroup tests/browser
test-wpt: setup python-ext ## Web Platform Tests' cases for WebSocket, against pywebsocket3; compares docs/wpt.md
	@$(STEP) "test: Web Platform Tests" $(PY) tests/wpt/table.py
stubs: python-ext ## write the docstrings of the compiled module into its stubs
	@$(PY) tests/scripts/stubs.py
wpt: setup python-ext ## write docs/wpt.md anew
	@$(PY) tests/wpt/table.py --write
autobahn: setup rust-release $(TESTEES_C) python-ext ## Autobahn cases 1-7, 9, 10 and 27 of 12 and 13, five testees
	@$(STEP) "test: Autobahn" $(PY) tests/autobahn/run.py
autobahn-full: setup rust-release $(TESTEES_C) python-ext ## all 517 Autobahn cases, and compression in every mode
	@$(PY) tests/autobahn/run.py --full
fuzz: ## each fuzz target for TIME seconds (20)
	@core/fuzz/run.sh $(TIME)
fuzz-short:
	@$(STEP) "test: fuzz targets, 3 s each" --need g++ core/fuzz/run.sh 3

bench: setup rust-release ## CPU per message of the echo server
	@$(PY) tests/bench/echo.py
bench-memory: setup rust-release python-ext ## memory of an idle connection, and of Python's sockets
	@$(OUT)/idle-memory
	@$(PY) tests/bench/python_memory.py

clean: ## everything that was built or installed here
	rm -rf target .venv tests/node/node_modules core/fuzz/target
