#!/usr/bin/env bash
# Installs the system packages of packages/debian.txt that are missing (with sudo when not root).
# Does nothing, quickly, when all is present.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build

# Where cmake/WeirRust.cmake looks too.
has_program() {
  command -v "$1" > /dev/null || [[ -x "$HOME/.cargo/bin/$1" ]] || compgen -G "/usr/lib/rust-*/bin/$1" > /dev/null
}

missing=()
while read -r package program; do
  [[ -z "$package" || "$package" == \#* ]] && continue
  [[ -n "$program" ]] && has_program "$program" && continue
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done < packages/debian.txt
[[ ${#missing[@]} -eq 0 ]] && exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! command -v sudo > /dev/null; then
    echo "setup: missing packages and no sudo; as root, run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > build/apt.log 2>&1 ||
  { tail -20 build/apt.log >&2; echo "setup: apt-get failed; its log is build/apt.log" >&2; exit 1; }
