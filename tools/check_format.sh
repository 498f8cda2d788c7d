#!/usr/bin/env bash
# Fails when a C++ file is not as clang-format writes it; --mend (`make format`) rewrites it.
set -euo pipefail
cd "$(dirname "$0")/.."
action=(--dry-run -Werror)
if [[ ${1:-} == --mend ]]; then action=(-i); fi
git ls-files '*.h' '*.cpp' | xargs -r clang-format-14 "${action[@]}"
