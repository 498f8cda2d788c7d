# Thin front of tools/ and the CMake presets. `make demo` and `make test` work from nothing.
PRESET ?= dev
BUILD := build/$(PRESET)

.PHONY: setup build demo test bench format check clean help

help:
	@echo "make demo    set up, build, get the default model, run the lens on it"
	@echo "make test    set up, build, run every test"
	@echo "make bench   build the release preset and run the benchmarks"
	@echo "make check   format and layer checks;  make format: apply the format"

setup:
	@tools/setup.sh

build: setup
	@cmake --preset $(PRESET) > build/configure-$(PRESET).log 2>&1 || (cat build/configure-$(PRESET).log; exit 1)
	@cmake --build --preset $(PRESET) -j 2

demo: build
	@$(BUILD)/apps/cli/weir models pull smollm2-135m
	@mkdir -p out
	@$(BUILD)/apps/cli/weir lens smollm2-135m "The capital of France is" --html out/lens.html

# The tests of the real model run when it can be had, and say so when they are skipped.
test: build
	@$(BUILD)/apps/cli/weir models pull smollm2-135m --quiet || echo "tests of the real model will be skipped"
	@ctest --preset $(PRESET) --no-tests=error

bench:
	@$(MAKE) build PRESET=release
	@build/release/apps/cli/weir models pull smollm2-135m
	@build/release/apps/cli/weir bench all

format:
	@tools/check_format.sh --mend

check:
	@tools/check_format.sh
	@python3 tools/check_layers.py

clean:
	@rm -rf build out
