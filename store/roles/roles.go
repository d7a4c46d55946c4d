// Package roles has the SQL that creates the server's role in PostgreSQL. An operator runs it with psql, and package
// pgtest for the tests.
package roles

import _ "embed" // for SQL

// Server is the name of the role.
const Server = "pagila_api"

// SQL creates the role, and grants it what the statements of package store need in the schema public. It is run by the
// owner of the tables, after the migrations. Running it again changes nothing.
//
//go:embed roles.sql
var SQL string
