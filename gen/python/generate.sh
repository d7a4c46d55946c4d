#!/usr/bin/env bash
# Writes pagila_api/models and types.py from the contract, and _client.py from _async_client.py, which differs
# only in asyncio. api/sdk writes the methods. PYTHON_BIN is the directory of the generator's programs. The
# generator runs as a module, because a shebang line cannot contain every path.
set -euo pipefail
cd "$(dirname "$0")"
export PATH="$PYTHON_BIN:$PATH"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# It warns about /openapi.yaml, whose media type it does not support. The client does not need it.
if ! "$PYTHON_BIN/python" -m openapi_python_client generate --path ../../api/openapi.gen.yaml --meta none --config generator.yaml \
  --custom-template-path templates --output-path "$out/generated" >"$out/log" 2>&1; then
  cat "$out/log"
  exit 1
fi
# The functions that it generates for calls are not used.
rm -rf pagila_api/models
mv "$out/generated/models" "$out/generated/types.py" pagila_api/

# An unknown enum value is kept, so that it does not fail the whole response.
"$PYTHON_BIN/python" - pagila_api/models/*.py <<'EOS'
import pathlib, re, sys

check = re.compile(r"(def check_\w+\(value: str\) -> (\w+):\n).*", re.S)
for path in map(pathlib.Path, sys.argv[1:]):
    text, found = check.subn(r"\1    return cast(\2, value)\n", path.read_text())
    if found:
        path.write_text(text.replace("import Literal\n", "import Literal, cast\n", 1))
EOS

{
  echo '# Written by generate.sh from _async_client.py. Edit that file.'
  sed -E \
    -e 's/async (def|for|with) /\1 /; s/an `async with`/a `with`/; s/, for asyncio//' \
    -e 's/\bawait //; s/Awaitable\[object\]/object/; s/, Awaitable//' \
    -e 's/\basyncio\b/time/; s/__a(enter|exit)__/__\1__/g; s/\ba(close|closing|read|iter_bytes)\b/\1/g' \
    -e 's/AsyncGenerator\[(\w+), None\]/Generator[\1, None, None]/' \
    -e 's/Async(Client|Iterator|Generator|BaseTransport|Operations)/\1/g; s/_async_operations/_operations/' \
    pagila_api/_async_client.py
} >pagila_api/_client.py
ruff check --quiet --isolated --select I --fix pagila_api/_client.py
ruff format --quiet pagila_api/_client.py
