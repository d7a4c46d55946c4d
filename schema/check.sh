#!/usr/bin/env bash
# Checks that the migrations, the declared schema and Pagila are consistent.
#
# DATABASE_URL is a disposable Pagila as restored. The script applies the migrations to it, rolls them back,
# and applies them again. ATLAS_DEV_URL is an empty scratch database. ATLAS is the Atlas command; the default
# is bin/atlas. `make migrate-check` sets all three.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "migrate-check: $*" >&2; exit 1; }
[ -n "${DATABASE_URL:-}" ] || fail "set DATABASE_URL to a disposable Pagila without our migrations"
[ -n "${ATLAS_DEV_URL:-}" ] || fail "set ATLAS_DEV_URL to an empty scratch database"

atlas=${ATLAS:-bin/atlas}
[ -x "$atlas" ] || fail "$atlas does not exist: run make atlas"
export ATLAS_NO_UPDATE_NOTIFIER=1 # the comparisons would take its message for a difference

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# quietly runs a command and shows its output only if it fails.
quietly() {
  "$@" >"$work/output" 2>&1 || { cat "$work/output" >&2; fail "failed: $*"; }
}

# same checks that two files or directories are equal, which proves the statement in $3.
same() {
  diff -ru "$1" "$2" || fail "this is not true: $3"
  echo "ok  $3"
}

# difference prints the statements that would change the database to the declared schema.
difference() {
  local and='?'
  case $DATABASE_URL in *\?*) and='&' ;; esac
  "$atlas" schema diff --env local --from "$DATABASE_URL${and}search_path=public" --to file://schema --format '{{ sql . "  " }}'
}

# dump prints the schema without the random key that newer releases of pg_dump write.
dump() { pg_dump --schema-only "$DATABASE_URL" | sed -E '/^\\(un)?restrict /d'; }

# up migrates the database twice.
up() {
  quietly "$atlas" migrate apply --env local
  quietly "$atlas" migrate apply --env local
  same "$work/nothing to apply" "$work/output" "$1: a second run has nothing to apply"
  difference >"$work/difference"
  same /dev/null "$work/difference" "$1: the database has the declared schema"
}
echo 'No migration files to execute' >"$work/nothing to apply"

"$atlas" migrate validate --env local
echo "ok  atlas.sum matches the files, and they can be applied in order"
"$atlas" migrate lint --env local
echo "ok  lint passes"

cp -R schema/migrations "$work/migrations"
quietly "$atlas" migrate diff --env local --dir "file://$work/migrations"
same schema/migrations "$work/migrations" "the migrations produce the declared schema"

files=(schema/migrations/*.sql) # the baseline is the oldest
[ "${#files[@]}" -eq 3 ] || fail "want a baseline and two migrations, but there are: ${files[*]}"
cat "${files[1]}" "${files[2]}" >"$work/two migrations"
difference >"$work/difference"
same "$work/two migrations" "$work/difference" "the two migrations are what Pagila lacks, byte for byte"

# The PostgreSQL that `make run` fetches has no pg_dump, and an old pg_dump refuses a new server.
no_dump=
if ! command -v pg_dump >/dev/null; then
  no_dump="PATH has no pg_dump"
elif ! dump >"$work/dump before" 2>"$work/output"; then
  no_dump=$(cat "$work/output")
fi

up "up"

quietly schema/down.sh
difference >"$work/difference"
same "$work/two migrations" "$work/difference" "down: Pagila lacks the two migrations again"
if [ -z "$no_dump" ]; then
  dump >"$work/dump after"
  same "$work/dump before" "$work/dump after" "down: pg_dump prints the same as for Pagila as restored"
else
  echo "--  down: skipped the comparison with pg_dump: $no_dump"
fi

up "up again"
