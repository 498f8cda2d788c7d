#!/usr/bin/env bash
# Builds the fuzz targets that a change touches, and runs each for 15 s: those of a module whose folder, or
# one below it, differs from the branch `main` (or from $BASE). Where that cannot be told, in a shallow clone
# or on main itself, every target runs for 5 s. `make fuzz` runs all for a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

base="${BASE:-}"
for name in origin/main main; do
  [[ -n $base ]] || base=$(git merge-base HEAD "$name" 2> /dev/null) || base=""
done
if [[ -z $base ]] || git diff --quiet "$base" HEAD; then
  echo "fuzz: nothing to compare with; every target for 5 s"
  exec make --no-print-directory fuzz SECONDS_EACH=5
fi

changed=$(git diff --name-only "$base")
# Parsers of text and report read through io; all stand on base.
targets=()
if grep -qE '^(weir/(base|io)/|weir/data/token_shard|fuzz/)' <<< "$changed"; then targets+=(io text report)
else
  for module in text report; do
    if grep -q "^weir/$module/" <<< "$changed"; then targets+=("$module"); fi
  done
fi
if [[ ${#targets[@]} -eq 0 ]]; then
  echo "fuzz: no parser differs from ${base:0:12}"
  exit 0
fi
echo "fuzz: what reads through ${targets[*]} differs from ${base:0:12}"
exec make --no-print-directory fuzz SECONDS_EACH=15 FUZZ_MODULES="${targets[*]}"
