#!/usr/bin/env bash
# Migrates the database at DATABASE_URL: migrate.sh apply, status or down.
#
# The Atlas command does it where it can: up to PostgreSQL 15, in the schema public, without a pooler.
# It is built when it is first needed. Everywhere else, and for a database without Pagila, the program
# does it.
# PAGILA_API is the program, bin/pagila-api if unset. `make migrate`, `make migrate-status` and
# `make migrate-down` run this.
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
  "$program" fetch-postgres # for the empty database that Atlas compares with
  exec "$program" exec -scratch -- schema/down.sh
fi
exec "$ATLAS" migrate "$1" --env local
