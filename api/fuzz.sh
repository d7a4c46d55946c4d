#!/usr/bin/env bash
# Tests a running server with requests that schemathesis generates from the contract, first with a token
# and then without one. `pagila-api exec -serve` starts the server.
#
# SCHEMATHESIS is the path of the program. The script fails if there are fewer than CASES test cases (default
# 5000).
set -euo pipefail
cd "$(dirname "$0")"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() {
  echo "contract-fuzz: $1"
  shift
  "$SCHEMATHESIS" --config-file schemathesis.toml run "$PAGILA_URL/openapi.json" --url "$PAGILA_URL" \
    --checks all --no-color "$@" | tee -a "$log"
}
run 'with a token' --header "Authorization: Bearer $API_TOKEN"
run 'without a token'

cases=$(awk '/^ *[0-9]+ generated/ { sum += $1 } END { print sum + 0 }' "$log")
echo "contract-fuzz: $cases generated cases, no failure"
if [ "$cases" -lt "${CASES:-5000}" ]; then
  echo "contract-fuzz: that is too few, want at least ${CASES:-5000}"
  exit 1
fi
