#!/usr/bin/env bash
# Rolls our migrations back. pg_dump then prints the same as for Pagila as restored. The data in
# streaming_subscription and in film.streaming_available is lost. The script does not ask for confirmation.
#
# DATABASE_URL is the database, and ATLAS_DEV_URL is an empty scratch database. ATLAS is the Atlas command; the
# default is bin/atlas. `make migrate-down` sets all three. `make migrate` applies the migrations again.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "migrate-down: $*" >&2; exit 1; }
[ -n "${DATABASE_URL:-}" ] || fail "set DATABASE_URL to the database"
[ -n "${ATLAS_DEV_URL:-}" ] || fail "set ATLAS_DEV_URL to an empty scratch database"

atlas=${ATLAS:-bin/atlas}
[ -x "$atlas" ] || fail "$atlas does not exist: run make atlas"
export ATLAS_NO_UPDATE_NOTIFIER=1

in_public() { case $1 in *\?*) echo "$1&search_path=public" ;; *) echo "$1?search_path=public" ;; esac; }
url=$(in_public "$DATABASE_URL")
migrations=file://schema/migrations
baseline=20221213000000

current=$("$atlas" migrate status --env local --format '{{ .Current }}')
case $current in
[0-9]*) ;;
*) echo "No migration is applied: there is nothing to roll back."; exit ;;
esac

# Atlas drops everything that the baseline does not contain. So first check that the database contains nothing
# besides Pagila and what the migrations added: other tables must not be dropped.
drift=$("$atlas" schema diff --env local --from "$url" --to "$migrations?version=$current" --format '{{ sql . }}')
[ -z "$drift" ] || fail "nothing was changed, because the database differs from Pagila with version $current.
These statements would remove the difference:
$drift"

# This runs in one transaction, and drops atlas_schema_revisions as well. It does not use --env: Atlas would
# then merge the environment's schema with --to, and keep the revisions table, which the environment excludes.
"$atlas" schema apply --auto-approve --url "$url" --dev-url "$(in_public "$ATLAS_DEV_URL")" \
  --to "$migrations?version=$baseline"
