#!/usr/bin/env bash
# Installs the system packages of packages/debian.txt that are missing (with sudo when not root),
# and Rust from Debian when no cargo is there. Does nothing, quickly, when all is present.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build

missing=()
while read -r package; do
  [[ -z "$package" || "$package" == \#* ]] && continue
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done < packages/debian.txt
if ! command -v cargo > /dev/null && [[ ! -x "$HOME/.cargo/bin/cargo" ]] && ! compgen -G '/usr/lib/rust-*/bin/cargo' > /dev/null; then
  missing+=(cargo-web rustc-web)
fi
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
