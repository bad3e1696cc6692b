# lodestone: `make help` lists the targets. Optional overrides go into config.mk (not committed).
-include config.mk

CC       ?= cc
BUILD    ?= build
PREFIX   ?= /usr/local
PYTHON   ?= /usr/bin/python3
PACKAGES := yaml-0.1 jansson libzstd libxxhash zlib
DEBIAN   := gcc make pkg-config libyaml-dev libjansson-dev libzstd-dev libxxhash-dev zlib1g-dev libcmocka-dev
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

# Only the fast kernels may reorder sums and contract to FMA (never the reference, graph or loss code);
# NaN and infinity keep their meaning. Everything is built for baseline x86-64; levels are function targets.
FAST     := -O3 -fassociative-math -fno-signed-zeros -fno-trapping-math -ffp-contract=fast

# pkg-config is asked when a recipe runs, so that `make help` and the installing targets work without it.
PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   = $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

# Files that are compiled twice, in float (f32) and in double (f64): ops and reference kernels.
TWICE   := $(wildcard src/graph/op/*.c src/kernel/ref/*.c) src/graph/update.c
SOURCES := $(filter-out src/cli/% $(TWICE),$(wildcard src/*/*.c src/*/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o) $(TWICE:%.c=$(BUILD)/%.f32.o) $(TWICE:%.c=$(BUILD)/%.f64.o)
CLI     := $(wildcard src/cli/*.c)
TESTS   := $(wildcard tests/*/test_*.c)
TESTBIN := $(TESTS:%.c=$(BUILD)/%)

.PHONY: all
all: $(BUILD)/lodestone $(BUILD)/liblodestone.a $(BUILD)/liblodestone.so

$(BUILD)/src/kernel/x86/%.o: src/kernel/x86/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(FAST) $(PKG_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/%.f32.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -DLODE_REAL_BITS=32 -MMD -MP -c $< -o $@
$(BUILD)/%.f64.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -DLODE_REAL_BITS=64 -MMD -MP -c $< -o $@
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(PKG_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/liblodestone.a: $(OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^
$(BUILD)/liblodestone.so: $(OBJECTS)
	$(CC) $(CFLAGS) -shared -Wl,-soname,liblodestone.so.0 -Wl,-z,defs $^ $(PKG_LIBS) $(LDLIBS) -o $@
$(BUILD)/lodestone: $(CLI:%.c=$(BUILD)/%.o) $(BUILD)/liblodestone.a
	$(CC) $(CFLAGS) $^ $(PKG_LIBS) $(LDLIBS) -o $@

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/liblodestone.a
	$(CC) $(CFLAGS) $^ $(PKG_LIBS) $(shell pkg-config --libs cmocka) $(LDLIBS) -o $@
.PRECIOUS: $(BUILD)/tests/%.o

.PHONY: unit
unit: $(TESTBIN) ## build and run the C tests
	@failed=0; for t in $(TESTBIN); do $$t || failed=1; done; exit $$failed

.PHONY: clean
clean: ## remove the build folder
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(CLI:%.c=$(BUILD)/%.d) $(TESTBIN:=.d)
