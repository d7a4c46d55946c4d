#!/usr/bin/env bash
# Migrates the database at DATABASE_URL: migrate.sh apply, status or down.
#
# The script uses the Atlas command if it can: up to PostgreSQL 15, in the schema public, and without a pooler.
# It builds the command when it first needs it. In all other cases, and for a database without Pagila, it uses
# pagila-api. PAGILA_API is that program; the default is bin/pagila-api. `make migrate`, `make migrate-status`
# and `make migrate-down` run this script.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -n "${DATABASE_URL:-}" ] || { echo "migrate: set DATABASE_URL to the database" >&2; exit 1; }
program=${PAGILA_API:-bin/pagila-api}
export ATLAS=bin/atlas ATLAS_NO_UPDATE_NOTIFIER=1

if [ "$("$program" migrate tool)" != atlas ]; then
  exec "$program" migrate "$1"
fi
make --silent atlas
if [ "$1" = down ]; then
  "$program" fetch-postgres # for the empty database that Atlas needs for its comparison
  exec "$program" exec -scratch -- schema/down.sh
fi
exec "$ATLAS" migrate "$1" --env local
