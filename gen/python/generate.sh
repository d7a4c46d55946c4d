#!/usr/bin/env bash
# Writes what is not written by hand: pagila_api/generated from the contract, and _client.py from
# _async_client.py, which differ in nothing but asyncio. PYTHON_BIN is the folder of the generator's
# programs. They are run as modules, because the first line of a script cannot name every directory.
set -euo pipefail
cd "$(dirname "$0")"
export PATH="$PYTHON_BIN:$PATH"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
rm -rf pagila_api/generated
# It warns of /openapi.yaml, whose media type it does not know and nobody needs here.
if ! "$PYTHON_BIN/python" -m openapi_python_client generate --path ../../api/openapi.yaml --meta none --config generator.yaml \
  --output-path pagila_api/generated >"$log" 2>&1; then
  cat "$log"
  exit 1
fi

# A word that this version does not know is kept, as the other SDKs do, and no reason to lose all else.
"$PYTHON_BIN/python" - pagila_api/generated/models/*.py <<'EOS'
import pathlib, re, sys

check = re.compile(r"(def check_\w+\(value: str\) -> (\w+):\n).*", re.S)
for path in map(pathlib.Path, sys.argv[1:]):
    text, found = check.subn(r"\1    return cast(\2, value)\n", path.read_text())
    if found:
        path.write_text(text.replace("import Literal\n", "import Literal, cast\n", 1))
EOS

{
  echo '# Written by generate.sh from _async_client.py. Edit that one.'
  sed -E \
    -e 's/async (def|for|with) /\1 /; s/an async `with`/a `with`/; s/, for asyncio//' \
    -e 's/\bawait //; s/Awaitable\[object\]/object/; s/, Awaitable//' \
    -e 's/\basyncio\b/time/; s/__a(enter|exit)__/__\1__/g; s/\ba(close|read|iter_bytes)\b/\1/g' \
    -e 's/Async(Client|Iterator|BaseTransport)/\1/g' \
    pagila_api/_async_client.py
} >pagila_api/_client.py
ruff check --quiet --isolated --select I --fix pagila_api/_client.py
ruff format --quiet pagila_api/_client.py
