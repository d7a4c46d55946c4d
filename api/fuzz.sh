#!/usr/bin/env bash
# Lets schemathesis make up requests from the contract and judge the answers: once as somebody with a
# token and once without. Runs beside a server, as `pagila-api exec -serve` gives one.
#
# SCHEMATHESIS is the program. CASES (5000) is how many cases there have to be, or it fails.
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
  echo "contract-fuzz: that is too few to prove anything, want ${CASES:-5000}"
  exit 1
fi
