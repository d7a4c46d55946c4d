#!/usr/bin/env bash
# Fails if the contract breaks clients of the previous contract: that of the last tag or, without a tag, of main
# or, on main itself, of the previous commit. CONTRACT_BASE selects another commit. CI sets it to the base of
# the pull request, or to the head of main before the push.
set -euo pipefail
cd "$(dirname "$0")/.."

# The second file is what people edit. In older commits it is the whole contract.
readonly contract=api/openapi.gen.yaml source=api/openapi.yaml
head=$(git rev-parse HEAD)
base=
for candidate in "${CONTRACT_BASE:-}" "$(git describe --tags --abbrev=0 HEAD~ 2>/dev/null || true)" origin/main main HEAD~; do
  commit=$(git rev-parse --quiet --verify "${candidate:-none}^{commit}") || continue
  # A branch at the current commit has the same contract, unless the contract has uncommitted changes.
  if [ "$commit" = "$head" ] && git diff --quiet HEAD -- "$contract"; then continue; fi
  if git cat-file -e "$commit:$source" 2>/dev/null; then base=$candidate && break; fi
done
if [ -z "$base" ]; then
  echo 'contract-breaking: skipped: this clone has no tag, no main and no earlier commit with a contract.'
  echo 'In a shallow clone, fetch them: git fetch --tags --unshallow'
  exit 0
fi

old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT
git show "$base:$contract" >"$old/openapi.yaml" 2>/dev/null || git show "$base:$source" >"$old/openapi.yaml"
echo "contract-breaking: comparing with the contract of $base"
# breaking-levels.txt lowers the level of changes that the contract announces, such as new problem codes.
# breaking-allowed.txt lists accepted changes with their reasons. Empty it with the next tag.
echo 'contract-breaking: oasdiff is compiled the first time, which takes a minute'
go run "github.com/oasdiff/oasdiff@$OASDIFF_VERSION" breaking --fail-on ERR \
  --severity-levels api/breaking-levels.txt --err-ignore api/breaking-allowed.txt \
  "$old/openapi.yaml" "$contract"
