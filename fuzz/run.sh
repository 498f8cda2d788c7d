#!/usr/bin/env bash
# Runs the fuzz targets of some modules (default: io text report) for SECONDS each, two at a time, on seeds from
# tests/golden. Prints a line per target; exits 1 and names the input when one fails. `make fuzz` builds them:
#   fuzz/run.sh SECONDS [MODULE...]
set -euo pipefail
cd "$(dirname "$0")/.."
export time_limit="$1"
export build=build/fuzz
modules=("${@:2}")
[[ ${#modules[@]} -gt 0 ]] || modules=(io text report)

run_target() {
  local name="${1##*/fuzz_}"
  local log="$build/logs/$name.log"
  mkdir -p "$build/logs" "$build/found/$name" "$build/findings"
  if "$1" "$build/found/$name" "$build/corpus/$name" \
      -max_total_time="$time_limit" -max_len=65536 -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=256 \
      -print_final_stats=1 -artifact_prefix="$build/findings/$name-" > "$log" 2>&1; then
    echo "fuzz $name: ok, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs," \
      "peak $(sed -n 's/^stat::peak_rss_mb: *//p' "$log") MB"
    return 0
  fi
  echo "fuzz $name: FAILED; input $(sed -n 's/.*Test unit written to //p' "$log" | tail -1), log $log"
  return 1
}
export -f run_target

targets=$(find "${modules[@]/#/$build/fuzz/}" -maxdepth 1 -type f -name 'fuzz_*' -executable)
[[ -n $targets ]] || { echo "fuzz: no target is built in $build"; exit 1; }
rm -rf "$build/findings"
python3 fuzz/make_seeds.py "$build/corpus"
sort <<< "$targets" | xargs -P 2 -I {} bash -c 'run_target {}'
