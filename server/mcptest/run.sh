#!/usr/bin/env bash
# Tests the MCP endpoint of a running server as strangers use it: with the official conformance suite, the
# inspector's command line, and the official clients for TypeScript and Python. `pagila-api exec -serve`
# starts the server, and sets PAGILA_URL and API_TOKEN.
#
# MCP_PYTHON is a Python that has requirements.txt, or empty.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD

# The suite and the inspector need Node 22. npm brings it for the common machines.
node=node
for bundled in node_modules/node-*/bin/node; do
  if [ -x "$bundled" ]; then node=$here/$bundled; fi
done
"$node" -e 'process.exit(parseInt(process.versions.node) < 22 ? 1 : 0)' || {
  echo "mcp-test: needs Node 22 or newer, this is $("$node" --version)"
  exit 1
}

# The other scenarios need sessions, resources, prompts, completion, or tools with given names.
scenarios='server-initialize ping tools-list dns-rebinding-protection'
log=$(mktemp)
results=$(mktemp -d) # the suite writes to the working directory
trap 'rm -rf "$log" "$results"' EXIT
conformance=$here/node_modules/@modelcontextprotocol/conformance/dist/index.js
for scenario in $scenarios; do
  if ! (cd "$results" && "$node" "$conformance" server --url "$PAGILA_URL/mcp" --scenario "$scenario") >"$log" 2>&1; then
    cat "$log"
    echo "mcp-test: conformance: $scenario failed"
    exit 1
  fi
  # A scenario that the suite skips has no check that passed.
  grep -Eq '^Passed: ([1-9][0-9]*)/\1, 0 failed, 0 warnings' "$log" || { cat "$log"; exit 1; }
  echo "mcp-test: conformance: $scenario: $(grep '^Passed:' "$log")"
done

inspector() {
  "$node" node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js --cli "$PAGILA_URL/mcp" --transport http "$@"
}
listed=$(inspector --method tools/list --strict)
"$node" -e 'const tools = JSON.parse(process.argv[1]).tools
if (tools.length < 8) throw new Error(`${tools.length} tools`)
console.log(`mcp-test: inspector: ${tools.length} tools, without a portability problem`)' "$listed"
inspector --method tools/call --tool-name getFilm --tool-arg film_id=1 >"$log"
grep -q '"structuredContent"' "$log" || { cat "$log"; exit 1; }
if inspector --method tools/call --tool-name getFilm --tool-arg film_id=0 >"$log" 2>&1; then
  cat "$log"
  echo 'mcp-test: inspector: film 0 is no error'
  exit 1
fi
grep -q 'must be an integer from 1' "$log" || { cat "$log"; exit 1; }
echo 'mcp-test: inspector: getFilm called, well and badly'

"$node" client.mjs
if [ -n "${MCP_PYTHON:-}" ]; then "$MCP_PYTHON" client.py; fi
