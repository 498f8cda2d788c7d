# Thin front of tools/ and the CMake presets. `make demo` and `make test` work from nothing.
PRESET ?= dev
BUILD := build/$(PRESET)
WEIR := $(BUILD)/apps/cli/weir
SECONDS_EACH ?= 60
FUZZ_MODULES ?= io text report

.PHONY: setup configure build demo test bench fuzz format check clean help

help:
	@echo "make demo    set up, build the command, get the default model, run the lens on it"
	@echo "make test    set up, build everything, run every test"
	@echo "make bench   build the release preset and run the benchmarks"
	@echo "make fuzz    every parser for a minute under libFuzzer"
	@echo "make check   format and layer checks;  make format: apply the format"

setup:
	@tools/setup.sh

configure: setup
	@cmake --preset $(PRESET) > build/configure-$(PRESET).log 2>&1 || (cat build/configure-$(PRESET).log; exit 1)

build: configure
	@cmake --build --preset $(PRESET) -j 2

# The command alone: its tests, the benchmarks' preset and the examples are not built.
demo:
	@echo "make demo: compiles the command, once, in under 8 minutes on two idle cores, then fetches 98 MB of model"
	@$(MAKE) --no-print-directory configure
	@cmake --build --preset $(PRESET) -j 2 --target weir
	@$(WEIR) models pull smollm2-135m
	@mkdir -p out
	@$(WEIR) lens smollm2-135m "The capital of France is" --html out/lens.html
	@echo "Next: open out/lens.html in a browser, or try"
	@echo "  $(WEIR) generate smollm2-135m 'Once upon a time' --greedy --max-new 40"
	@echo "  $(WEIR) --help      every verb;      make test: the same build, then every test"

# The tests of the real model run when it can be had, and say so when they are skipped.
test: build
	@$(WEIR) models pull smollm2-135m --quiet || echo "tests of the real model will be skipped"
	@ctest --preset $(PRESET) --no-tests=error

bench:
	@$(MAKE) build PRESET=release
	@build/release/apps/cli/weir models pull smollm2-135m
	@build/release/apps/cli/weir bench all

fuzz:
	@$(MAKE) --no-print-directory configure PRESET=fuzz
	@cmake --build --preset fuzz -j 2 --target $(FUZZ_MODULES:%=fuzzers_%)
	@fuzz/run.sh $(SECONDS_EACH) $(FUZZ_MODULES)

format:
	@tools/check_format.sh --mend

check:
	@tools/check_format.sh
	@python3 tools/check_layers.py
	@python3 tools/check_layers_test.py --quiet

clean:
	@rm -rf build out
