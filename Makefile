# lodestone: `make help` lists the targets. Optional overrides go into config.mk (not committed).
-include config.mk

CC       ?= cc
BUILD    ?= build
PREFIX   ?= /usr/local
DESTDIR  ?=
PYTHON   ?= /usr/bin/python3
PACKAGES := yaml-0.1 jansson libzstd libxxhash zlib
VERSION  := $(shell sed -n 's/^\#define LODE_VERSION "\(.*\)"/\1/p' include/lodestone.h)

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wcast-qual -Wpointer-arith -Wwrite-strings \
            -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wformat=2 -Wdouble-promotion \
            -Wfloat-conversion -Wimplicit-fallthrough
WERROR   ?= -Werror
OPTIMISE ?= -O2 -g
SANITIZE ?=
CFLAGS   += -std=c11 -D_GNU_SOURCE $(WARNINGS) $(WERROR) $(OPTIMISE) $(SANITIZE) -fno-common -fPIC \
            -fvisibility=hidden -pthread -Iinclude -Isrc
LDLIBS   := -lm -pthread

# The fast kernels spell out their sums and fused multiply-adds, so that the same bits come from every
# compiler and every way to cut the work: nothing may be reordered or contracted behind their back. (With
# -fassociative-math clang turns the two-step scaling of exp into an infinity.) Everything is built for
# baseline x86-64; levels are function targets.
FAST     := -O3 -fno-trapping-math -ffp-contract=off

# pkg-config is asked when a recipe runs, so that `make help` and the installing targets work without it.
PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   = $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

# Files that are compiled in float (f32), in double (f64) and in float on bfloat16 (b16): ops and reference
# kernels. Updates are compiled without the last: parameters are never bfloat16.
THRICE  := $(wildcard src/graph/op/*.c src/kernel/ref/*.c)
TWICE   := $(THRICE) src/graph/update.c
SOURCES := $(filter-out src/cli/% $(TWICE),$(wildcard src/*/*.c src/*/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o) $(TWICE:%.c=$(BUILD)/%.f32.o) $(TWICE:%.c=$(BUILD)/%.f64.o) \
           $(THRICE:%.c=$(BUILD)/%.b16.o)
CLI     := $(wildcard src/cli/*.c)

# tests/LAYER/test_*.c are cmocka programs, tests/support/*.c is linked into each of them; tests/fuzz/fuzz_*.c
# define LLVMFuzzerTestOneInput; examples/*.c see only include/lodestone.h and run in `make check`.
TESTS    := $(wildcard tests/*/test_*.c)
SUPPORT  := $(wildcard tests/support/*.c)
FUZZERS  := $(wildcard tests/fuzz/fuzz_*.c)
EXAMPLES := $(wildcard examples/*.c)
BENCHES  := $(wildcard bench/bench_*.c)
TESTBIN  := $(TESTS:%.c=$(BUILD)/%)
FUZZBIN  := $(FUZZERS:%.c=$(BUILD)/%)
EXAMPLEBIN := $(EXAMPLES:%.c=$(BUILD)/%)
BENCHBIN := $(BENCHES:%.c=$(BUILD)/%)

# Targets that build for someone use every core, unless the caller chose with -j.
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
AGAIN = +@$(MAKE) --no-print-directory $(JOBS)

ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TSAN := -fsanitize=thread -fno-omit-frame-pointer

# One line a file; `make V=1` shows the commands.
Q   := $(if $(V),,@)
say  = @$(if $(V),:,printf '  %-3s %s\n' $1 $2)

.PHONY: all
all: $(BUILD)/lodestone $(BUILD)/liblodestone.a $(BUILD)/liblodestone.so ## the program and both libraries, in build/

# A change of compiler or flags rebuilds everything in this folder.
FLAGS := $(CC) $(CFLAGS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' > $@
.PHONY: FORCE
FORCE:

$(BUILD)/src/kernel/x86/%.o: src/kernel/x86/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(FAST) $(PKG_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/%.f32.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -DLODE_REAL_BITS=32 -MMD -MP -c $< -o $@
$(BUILD)/%.f64.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -DLODE_REAL_BITS=64 -MMD -MP -c $< -o $@
$(BUILD)/%.b16.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -DLODE_REAL_BITS=16 -MMD -MP -c $< -o $@
$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(PKG_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/liblodestone.a: $(OBJECTS)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) qcs $@ $^
$(BUILD)/liblodestone.so: $(OBJECTS)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) -shared -Wl,-soname,liblodestone.so.0 $(if $(SANITIZE),,-Wl$(comma)-z$(comma)defs) $^ \
	    $(PKG_LIBS) $(LDLIBS) -o $@
$(BUILD)/lodestone: $(CLI:%.c=$(BUILD)/%.o) $(BUILD)/liblodestone.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $^ $(PKG_LIBS) $(LDLIBS) -o $@
comma := ,

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(SUPPORT:%.c=$(BUILD)/%.o) $(BUILD)/liblodestone.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $^ $(PKG_LIBS) $(shell pkg-config --libs cmocka) $(LDLIBS) -o $@
# Tests in tests/oom make allocations fail: the allocator is wrapped, for them only.
OOM_WRAP := $(foreach f,malloc calloc realloc aligned_alloc free mmap munmap,-Wl,--wrap=$(f))
OOMBIN := $(filter $(BUILD)/tests/oom/%,$(TESTBIN))
$(OOMBIN): $(BUILD)/tests/oom/%: $(BUILD)/tests/oom/%.o $(BUILD)/tests/oom/alloc_fail.o $(SUPPORT:%.c=$(BUILD)/%.o) \
    $(BUILD)/liblodestone.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $^ $(OOM_WRAP) $(PKG_LIBS) $(shell pkg-config --libs cmocka) $(LDLIBS) -o $@
FUZZ_MAIN ?= $(BUILD)/tests/fuzz/driver.o
$(FUZZBIN): $(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(FUZZ_MAIN) $(BUILD)/liblodestone.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $^ $(FUZZ_LINK) $(PKG_LIBS) $(LDLIBS) -o $@
$(EXAMPLEBIN): $(BUILD)/examples/%: $(BUILD)/examples/%.o $(BUILD)/liblodestone.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $^ $(PKG_LIBS) $(LDLIBS) -o $@
$(BENCHBIN): $(BUILD)/bench/%: $(BUILD)/bench/%.o $(BUILD)/liblodestone.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $^ $(PKG_LIBS) $(LDLIBS) -o $@
.PRECIOUS: $(BUILD)/%.o

.PHONY: deps
deps: ## install the Debian packages that building and checking need
	@tools/install_deps.sh build check

.PHONY: demo
demo: ## build, make up a shop, train on it, measure, recommend: under three minutes
	@tools/install_deps.sh build
	$(AGAIN) all
	@tools/demo.sh $(BUILD)/lodestone demo

.PHONY: unit
unit: $(TESTBIN) ## build and run the C tests only
	@$(PYTHON) tools/run_tests.py --build $(BUILD) unit

.PHONY: check check-asan check-tsan
check: ## everything that must pass: C tests, fuzz corpora, command line, examples
	@tools/install_deps.sh build check
	$(AGAIN) check-build
	+@MAKE="$(MAKE)" $(PYTHON) tools/run_tests.py --build $(BUILD) unit fuzz cli examples
check-asan: ## the same under AddressSanitizer and UndefinedBehaviorSanitizer
	+@$(MAKE) --no-print-directory check BUILD=build-asan SANITIZE='$(ASAN)'
check-tsan: ## the same under ThreadSanitizer
	+@$(MAKE) --no-print-directory check BUILD=build-tsan SANITIZE='$(TSAN)'
.PHONY: check-build
check-build: all $(TESTBIN) $(FUZZBIN) $(EXAMPLEBIN)

.PHONY: check-style
check-style: ## the rules of the house: layers, symbols, headers, sizes, format
	@tools/install_deps.sh build check style
	$(AGAIN) all
	@$(PYTHON) tools/run_tests.py --build $(BUILD) style
.PHONY: format
format: ## lay all C files out with clang-format
	clang-format-14 -i $(shell git ls-files '*.c' '*.h')

.PHONY: fuzz fuzz-replay
FUZZ_SECONDS ?= 60
fuzz-replay: $(FUZZBIN) ## run every fuzz corpus once
	@$(PYTHON) tools/run_tests.py --build $(BUILD) fuzz
fuzz: ## look for new inputs with clang's libFuzzer, FUZZ_SECONDS=60 a reader
	@tools/install_deps.sh build check style
	+@$(MAKE) --no-print-directory $(JOBS) fuzz-binaries BUILD=build-fuzz CC=clang FUZZ_MAIN= \
	    FUZZ_LINK=-fsanitize=fuzzer SANITIZE='-fsanitize=fuzzer-no-link,address,undefined'
	@for f in $(FUZZERS:tests/fuzz/fuzz_%.c=%); do mkdir -p tests/fuzz/corpus/$$f build-fuzz/found/$$f; \
	    build-fuzz/tests/fuzz/fuzz_$$f -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=build-fuzz/$$f- \
	        build-fuzz/found/$$f tests/fuzz/corpus/$$f || exit 1; done
.PHONY: fuzz-binaries
fuzz-binaries: $(FUZZBIN)

.PHONY: bench
bench: ## measure speed and print it with its context
	@tools/install_deps.sh build
	$(AGAIN) all bench-binaries
	@for b in $(BENCHBIN); do $$b || exit 1; done
.PHONY: bench-versus
VERSUS ?=
bench-versus: ## beside what people use today, on the same data (BENCH=full for all; VERSUS='--only training')
	@tools/install_deps.sh build
	$(AGAIN) all
	@BENCH=$(BENCH) $(PYTHON) bench/versus.py --lodestone $(BUILD)/lodestone --python $(PYTHON) $(VERSUS)
.PHONY: bench-binaries
bench-binaries: $(BENCHBIN)

.PHONY: install uninstall
INSTALLED = $(DESTDIR)$(PREFIX)
install: all ## copy to PREFIX (default /usr/local), below DESTDIR if that is set
	install -d $(INSTALLED)/bin $(INSTALLED)/include $(INSTALLED)/lib/pkgconfig $(INSTALLED)/share/lodestone/presets
	install -m 755 $(BUILD)/lodestone $(INSTALLED)/bin/lodestone
	install -m 644 include/lodestone.h $(INSTALLED)/include/lodestone.h
	install -m 644 $(BUILD)/liblodestone.a $(INSTALLED)/lib/liblodestone.a
	install -m 755 $(BUILD)/liblodestone.so $(INSTALLED)/lib/liblodestone.so.$(VERSION)
	ln -sf liblodestone.so.$(VERSION) $(INSTALLED)/lib/liblodestone.so.0
	ln -sf liblodestone.so.0 $(INSTALLED)/lib/liblodestone.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@PACKAGES@|$(PACKAGES)|' lodestone.pc.in \
	    > $(INSTALLED)/lib/pkgconfig/lodestone.pc
	for p in $(wildcard presets/*.yaml); do install -m 644 $$p $(INSTALLED)/share/lodestone/presets/ || exit 1; done
uninstall: ## remove what install copied
	rm -f $(INSTALLED)/bin/lodestone $(INSTALLED)/include/lodestone.h $(INSTALLED)/lib/liblodestone.a \
	    $(INSTALLED)/lib/liblodestone.so $(INSTALLED)/lib/liblodestone.so.0 $(INSTALLED)/lib/liblodestone.so.$(VERSION) \
	    $(INSTALLED)/lib/pkgconfig/lodestone.pc
	rm -rf $(INSTALLED)/share/lodestone

.PHONY: clean
clean: ## remove everything that was built
	rm -rf $(BUILD) build-asan build-tsan build-fuzz build-clang demo

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

-include $(OBJECTS:.o=.d) $(CLI:%.c=$(BUILD)/%.d) $(TESTBIN:=.d) $(FUZZBIN:=.d) $(EXAMPLEBIN:=.d) $(BENCHBIN:=.d) \
    $(SUPPORT:%.c=$(BUILD)/%.d) $(BUILD)/tests/oom/alloc_fail.d
