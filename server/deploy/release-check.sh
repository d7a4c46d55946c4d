#!/usr/bin/env bash
# Checks that a release can be reproduced: builds the commit in the working tree twice, in clones at different paths, with
# empty build caches, different time zones and different umasks, and compares the files. TARGETS limits the targets.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build builds the release in a clone, in a directory of the given name.
build() {
  git clone --quiet --depth "$2" "file://$PWD" "$work/$1"
  GOCACHE=$work/cache make --no-print-directory -C "$work/$1" release
  rm -rf "$work/cache"
}

(umask 022 && TZ=UTC build one 1)
(umask 077 && TZ=Asia/Tokyo build 'another one/deeper' 1000000)
diff -r "$work/one/bin/release" "$work/another one/deeper/bin/release"
cat "$work/one/bin/release/SHA256SUMS"
echo 'Two builds of the release are the same, byte for byte.'
