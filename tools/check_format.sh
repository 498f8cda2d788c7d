#!/usr/bin/env bash
# Fails when a C++ file is not as clang-format writes it; `make format` mends it.
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files '*.h' '*.cpp' | xargs -r clang-format-14 --dry-run -Werror
