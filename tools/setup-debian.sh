#!/bin/sh
# Installs what tools/debian-packages.txt lists for a use ("run" or "test") and is missing here.
# As root or with sudo it installs; otherwise it prints the exact line to run and fails.
set -eu

use=$1
here=$(dirname "$0")

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is not a Debian or Ubuntu system: install what $here/debian-packages.txt lists by other means." >&2
    exit 0
fi

installed() {
    dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'
}

# A command may come from elsewhere than Debian's package of that name.
present() {
    case $1 in
    npm) command -v npm >/dev/null 2>&1 ;;
    python3-venv) python3 -c 'import ensurepip, venv' >/dev/null 2>&1 ;;
    chromium* | firefox*) command -v "$1" >/dev/null 2>&1 ;;
    *) installed "$1" ;;
    esac
}

missing=""
while IFS= read -r line; do
    case $line in "$use: "*) names=${line#"$use: "} ;; *) continue ;; esac
    found=""
    for name in $(echo "$names" | tr '|' ' '); do
        if present "$name"; then found=$name; break; fi
    done
    [ -n "$found" ] || missing="$missing $names"
done <"$here/debian-packages.txt"

[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root=sudo
else
    as_root=none
fi

[ "$as_root" = none ] || $as_root apt-get update -q

# Of alternatives, the first that this release offers.
packages=""
for names in $missing; do
    chosen=""
    for name in $(echo "$names" | tr '|' ' '); do
        if [ -n "$(apt-cache madison "$name" 2>/dev/null)" ]; then chosen=$name; break; fi
    done
    packages="$packages ${chosen:-${names##*|}}"
done

if [ "$as_root" = none ]; then
    echo "Some system packages are missing. Install them with this line, then run make again:" >&2
    echo "" >&2
    echo "    sudo apt-get update && sudo apt-get install --no-install-recommends -y$packages" >&2
    exit 1
fi

echo "Installing system packages:$packages"
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -q -y --no-install-recommends $packages
