#!/usr/bin/env bash
# Proves that the migrations, the declared schema and Pagila belong together.
#
# DATABASE_URL is a throwaway Pagila as restored: it is migrated, taken back and migrated again.
# ATLAS_DEV_URL is an empty scratch database. ATLAS is the Atlas command, bin/atlas if unset.
# `make migrate-check` sets all three.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "migrate-check: $*" >&2; exit 1; }
[ -n "${DATABASE_URL:-}" ] || fail "set DATABASE_URL to a throwaway Pagila without our migrations"
[ -n "${ATLAS_DEV_URL:-}" ] || fail "set ATLAS_DEV_URL to an empty scratch database"

atlas=${ATLAS:-bin/atlas}
[ -x "$atlas" ] || fail "$atlas is not there: run make atlas"
export ATLAS_NO_UPDATE_NOTIFIER=1 # its message would be taken for a difference

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# quietly shows what a command prints only if it fails.
quietly() {
  "$@" >"$work/output" 2>&1 || { cat "$work/output" >&2; fail "failed: $*"; }
}

# same proves that two files, or folders, are the same, and says what that means.
same() {
  diff -ru "$1" "$2" || fail "not so: $3"
  echo "ok  $3"
}

# difference prints the statements that would make the database the declared schema.
difference() {
  local and='?'
  case $DATABASE_URL in *\?*) and='&' ;; esac
  "$atlas" schema diff --env local --from "$DATABASE_URL${and}search_path=public" --to file://schema --format '{{ sql . "  " }}'
}

# dump leaves out the random key that newer releases of pg_dump write.
dump() { pg_dump --schema-only "$DATABASE_URL" | sed -E '/^\\(un)?restrict /d'; }

# up migrates the database, and once more.
up() {
  quietly "$atlas" migrate apply --env local
  quietly "$atlas" migrate apply --env local
  same "$work/nothing to apply" "$work/output" "$1: a second apply has nothing to do"
  difference >"$work/difference"
  same /dev/null "$work/difference" "$1: the database is the declared schema"
}
echo 'No migration files to execute' >"$work/nothing to apply"

"$atlas" migrate validate --env local
echo "ok  atlas.sum belongs to the files, and they run one after the other"
"$atlas" migrate lint --env local
echo "ok  lint passes"

cp -R schema/migrations "$work/migrations"
quietly "$atlas" migrate diff --env local --dir "file://$work/migrations"
same schema/migrations "$work/migrations" "the migrations lead to the declared schema"

files=(schema/migrations/*.sql) # the baseline is the oldest
[ "${#files[@]}" -eq 3 ] || fail "not so: there are a baseline and two migrations: ${files[*]}"
cat "${files[1]}" "${files[2]}" >"$work/two migrations"
difference >"$work/difference"
same "$work/two migrations" "$work/difference" "what Pagila lacks is the two migrations, byte for byte"

# The Postgres that make run fetches comes without pg_dump, and an old pg_dump refuses a new server.
no_dump=
if ! command -v pg_dump >/dev/null; then
  no_dump="there is no pg_dump in PATH"
elif ! dump >"$work/dump before" 2>"$work/output"; then
  no_dump=$(cat "$work/output")
fi

up "up"

quietly schema/down.sh
difference >"$work/difference"
same "$work/two migrations" "$work/difference" "down: Pagila lacks the two migrations again"
if [ -z "$no_dump" ]; then
  dump >"$work/dump after"
  same "$work/dump before" "$work/dump after" "down: pg_dump prints what it printed of Pagila as restored"
else
  echo "--  down: skipped the comparison by pg_dump: $no_dump"
fi

up "up again"
