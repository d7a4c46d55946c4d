#!/usr/bin/env bash
# Checks that the clients that OpenAPI Generator generates from the contract compile and work: generates a
# client in each language, compiles it with the program in generators/, and runs the program against the server
# at PAGILA_URL. `pagila-api exec -serve` starts the server.
#
# OPENAPI_GENERATOR is the generator's jar, VERSION its version. Clients and logs are in bin/generators. A client
# is skipped if its tools or libraries are not available.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly top=$PWD out=$PWD/bin/generators programs=$PWD/api/generators
mkdir -p "$out"

# bounded SECONDS COMMAND [ARGUMENT...]. macOS has no timeout, but it has Perl.
bounded() {
  if command -v timeout >/dev/null; then timeout "$@"; else perl -e 'alarm shift; exec @ARGV' "$@"; fi
}

# generate NAME GENERATOR [OPTION...]: generates a client in $out/NAME.
generate() {
  local name=$1 generator=$2
  shift 2
  rm -rf "${out:?}/$name"
  bounded 120 java -Dlog.level=warn -jar "$OPENAPI_GENERATOR" generate --input-spec "$PAGILA_URL/openapi.yaml" \
    --generator-name "$generator" --output "$out/$name" \
    --global-property apiDocs=false,modelDocs=false,apiTests=false,modelTests=false "$@"
}

# skip REASON: ends the current client, whose function runs in a subshell.
skip() {
  echo "$*" >&3
  exit 3
}

java_version() { java -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java\.version = //p'; }

java_client() {
  javac --release 15 -version || skip 'there is no JDK 15'
  generate java java --library native --additional-properties useSingleRequestParameter=true
  cd "$out/java"
  bounded 300 mvn --batch-mode --quiet dependency:copy-dependencies -DincludeScope=compile -DoutputDirectory=libraries ||
    skip 'Maven cannot fetch its libraries'
  cp "$programs/java/Main.java" src/main/java
  find src/main/java -name '*.java' >sources
  bounded 120 javac -d classes -classpath 'libraries/*' @sources
  bounded 120 java -classpath 'classes:libraries/*' Main >&3
}

go_client() {
  generate go go --git-host example.com --git-user-id pagila --git-repo-id client \
    --additional-properties packageName=pagila,disallowAdditionalPropertiesIfNotPresent=false
  cd "$out/go"
  bounded 120 go mod tidy || skip 'go cannot fetch its libraries'
  mkdir program
  sed '/^\/\/go:build ignore$/d' "$programs/go/main.go" >program/main.go
  bounded 300 go vet ./...
  bounded 300 go build -o program/program ./program
  bounded 120 program/program >&3
}

typescript_client() {
  local modules=$top/gen/typescript/node_modules
  node --version || skip 'there is no Node.js'
  [ -x "$modules/.bin/tsc" ] || skip 'npm cannot fetch the compiler'
  generate typescript/client typescript-fetch --additional-properties importFileExtension=.js
  cd "$out/typescript"
  cp "$programs"/typescript/* .
  bounded 120 "$modules/.bin/tsc" --typeRoots "$modules/@types"
  bounded 120 node dist/main.js >&3
}

python_client() {
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || skip 'there is no Python 3.10'
  generate python python --additional-properties packageName=pagila
  cd "$out/python"
  python3 -m venv venv || skip 'Python has no venv'
  bounded 300 venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt ||
    skip 'pip cannot fetch its libraries'
  bounded 120 venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps .
  cp "$programs/python/main.py" .
  bounded 120 venv/bin/python main.py >&3
}

# try NAME VERSION: generates, compiles and runs a client. Prints one line; other output goes to a log.
failed=0
try() {
  local name=$1 version=$2 log=$out/$1.log result=0
  printf 'contract-generators: %-10s ' "$name"
  # The shell ignores set -e in a subshell within an if or an || list.
  set +e
  summary=$(exec 3>&1 >"$log" 2>&1; set -e; "${name}_client")
  result=$?
  set -e
  case $result in
    0) echo "$version: $summary" ;;
    3) echo "skipped: $summary" ;;
    *) echo 'FAILED' && tail -n 20 "$log" && failed=1 ;;
  esac
}

bounded 120 java -jar "$OPENAPI_GENERATOR" validate --input-spec "$PAGILA_URL/openapi.yaml" >"$out/validate.log" || { cat "$out/validate.log"; exit 1; }
echo "contract-generators: OpenAPI Generator $VERSION accepts the contract"

RENTAL_RATE=$(curl -fsS "$PAGILA_URL/films/1" | sed -n 's/.*"rental_rate":"\([^"]*\)".*/\1/p')
export RENTAL_RATE
try java "Java $(java_version)"
try go "$(go env GOVERSION)"
try typescript "Node.js $(node --version 2>/dev/null || true)"
try python "$(python3 --version 2>/dev/null || true)"
exit "$failed"
