#!/usr/bin/env bash
# Takes our migrations back: Pagila is then what it was as restored, to the last line of pg_dump.
# What is in streaming_subscription and in film.streaming_available is lost. It asks nothing.
#
# It works on DATABASE_URL, and needs an empty scratch database in ATLAS_DEV_URL. ATLAS is the Atlas
# command, bin/atlas if unset. `make migrate-down` sets all three; `make migrate` is the way up again.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "migrate-down: $*" >&2; exit 1; }
[ -n "${DATABASE_URL:-}" ] || fail "set DATABASE_URL to the database whose migrations to take back"
[ -n "${ATLAS_DEV_URL:-}" ] || fail "set ATLAS_DEV_URL to an empty scratch database"

atlas=${ATLAS:-bin/atlas}
[ -x "$atlas" ] || fail "$atlas is not there: run make atlas"
export ATLAS_NO_UPDATE_NOTIFIER=1

in_public() { case $1 in *\?*) echo "$1&search_path=public" ;; *) echo "$1?search_path=public" ;; esac; }
url=$(in_public "$DATABASE_URL")
migrations=file://schema/migrations
baseline=20221213000000

current=$("$atlas" migrate status --env local --format '{{ .Current }}')
case $current in
[0-9]*) ;;
*) echo "No migration is applied: there is nothing to take back."; exit ;;
esac

# Atlas drops all that the baseline does not have. So first make sure that there is nothing but what
# the migrations brought: a table of somebody else's must not go with them.
drift=$("$atlas" schema diff --env local --from "$url" --to "$migrations?version=$current" --format '{{ sql . }}')
[ -z "$drift" ] || fail "nothing was changed, because the database is not what version $current makes of Pagila.
These statements would make it so:
$drift"

# One transaction, and atlas_schema_revisions goes with the rest. It takes no --env: to that one's
# schema Atlas would add this one, and to exclude the revisions table would keep it.
"$atlas" schema apply --auto-approve --url "$url" --dev-url "$(in_public "$ATLAS_DEV_URL")" \
  --to "$migrations?version=$baseline"
