#!/usr/bin/env bash
# Fails when the contract breaks clients of the last one that they can have: that of the last tag,
# for a release is a promise. Where nothing is tagged yet, that of main is what others build on; and
# on main itself that of the commit before. CONTRACT_BASE names another commit: in CI, what main was
# before a push of several.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly contract=api/openapi.yaml
head=$(git rev-parse HEAD)
base=
for candidate in "${CONTRACT_BASE:-}" "$(git describe --tags --abbrev=0 HEAD~ 2>/dev/null || true)" origin/main main HEAD~; do
  commit=$(git rev-parse --quiet --verify "${candidate:-none}^{commit}") || continue
  # A branch that points here has nothing to compare with, unless the contract was just edited.
  if [ "$commit" = "$head" ] && git diff --quiet HEAD -- "$contract"; then continue; fi
  if git cat-file -e "$commit:$contract" 2>/dev/null; then base=$candidate && break; fi
done
if [ -z "$base" ]; then
  echo 'contract-breaking: skipped: this clone has no tag, no main and no commit before this one with a contract.'
  echo 'In a shallow clone, fetch them: git fetch --tags --unshallow'
  exit 0
fi

old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT
git show "$base:$contract" >"$old/openapi.yaml"
echo "contract-breaking: against the contract of $base"
# breaking-levels.txt: new codes of problems may come, and the contract says so, so that one more, or
# a list that is open, is only told. breaking-allowed.txt: changes that only write down what the server has always done; empty
# it with the next tag.
go run "github.com/oasdiff/oasdiff@$OASDIFF_VERSION" breaking --fail-on ERR \
  --severity-levels api/breaking-levels.txt --err-ignore api/breaking-allowed.txt \
  "$old/openapi.yaml" "$contract"
