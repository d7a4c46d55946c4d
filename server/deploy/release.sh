#!/usr/bin/env bash
# Builds a release from the commit in the working tree, and writes it to a directory: release.sh directory.
#
# The directory gets an archive for each target, an SBOM (CycloneDX) of each program, PROVENANCE.txt and SHA256SUMS.
# The same commit gives the same bytes on every machine. `make release` sets the versions, and `make release-check`
# compares two builds. TARGETS limits the targets, as in TARGETS=linux/amd64.
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() { echo "release: $*" >&2; exit 1; }
out=${1:?release.sh: name the directory}
[ -z "$(git status --porcelain)" ] || fail "there are changes that are not committed: a release is built from a commit"
tar=$(command -v gtar || command -v tar)
"$tar" --version | grep -q GNU || fail "this needs GNU tar: the tar of macOS cannot sort and fix the owners"

# The user's settings must not change the program. `make build` sets GOFLAGS.
unset GOFLAGS GOEXPERIMENT GOFIPS140
export LC_ALL=C CGO_ENABLED=0 GOAMD64=v1 GOARM64=v8.0 GOTOOLCHAIN=go$GO_VERSION

commit=$(git rev-parse HEAD)
committed=$(git show -s --format=%ct HEAD)
version=$(sed -n 's/^  version: //p' api/openapi.yaml)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$out"
mkdir -p "$out"

for target in ${TARGETS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64}; do
  name=pagila-api_${version}_${target/\//_}
  echo "building $name"
  mkdir "$work/$name"
  GOOS=${target%/*} GOARCH=${target#*/} make --silent build BIN="$work/$name/pagila-api" COMMIT="$commit"
  cp LICENSE CHANGELOG.md .env.example server/deploy/*.service store/roles/roles.sql "$work/$name"
  "$tar" --format=ustar --sort=name --mtime="@$committed" --owner=0 --group=0 --numeric-owner --mode='u=rwX,go=rX' \
    --directory="$work" --create "$name" | gzip --best --no-name >"$out/$name.tar.gz"
  go run "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$CYCLONEDX_GOMOD_VERSION" bin \
    -json -std -noserial -notimestamp -version "v$version" -output "$out/$name.cdx.json" "$work/$name/pagila-api"
done

cat >"$out/PROVENANCE.txt" <<END
pagila-api $version

Commit     $commit
Go         $(go env GOVERSION)
Command    make release

Every file is built from this commit alone, and the same commit gives the same bytes. To check that:

    git clone REPOSITORY pagila-api && cd pagila-api
    git checkout $commit
    make release
    cd bin/release && sha256sum --check /path/to/the/downloaded/SHA256SUMS

"go version -m pagila-api" lists the modules in it with their checksums, as the SBOMs (*.cdx.json) do.
END
cd "$out"
{ sha256sum -- * || shasum -a 256 -- *; } 2>/dev/null >"$work/SHA256SUMS"
mv "$work/SHA256SUMS" .
