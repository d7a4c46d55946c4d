// Package migrations contains the versioned migrations of the database. It applies them as `atlas migrate
// apply` does, and rolls them back.
//
// Atlas computed the files as the difference between Pagila and the schema that is declared in the parent
// directory. `make migrate-diff` adds the next one. Two programs use the files: the Atlas command reads the
// directory, and Apply reads the copy that is embedded here. Both record what they have applied in the table
// atlas_schema_revisions of Pagila's schema, so each can continue where the other has stopped.
package migrations

import (
	"embed"
	"io/fs"
	"strings"
)

// Baseline is the version of the file that represents Pagila itself. A restored Pagila is at this version, so
// the file never runs on it. atlas.hcl contains the same version.
const Baseline = "20221213000000"

// Files is the migration directory: the baseline, the migrations and their checksums in atlas.sum.
//
//go:embed *.sql atlas.sum
var Files embed.FS

//go:embed 20221213000000_pagila.sql
var baselineSQL string

// BaselineSQL returns the text of the baseline: the tables, keys and indexes of Pagila 3.1.0 for an
// empty database, without its views, functions, triggers and partitions.
func BaselineSQL() string { return baselineSQL }

// FileName returns the file name of a version, or the version itself if it has no file.
func FileName(version string) string {
	if names, _ := fs.Glob(Files, version+"_*.sql"); len(names) == 1 { // versions are digits
		return names[0]
	}
	return version
}

// Versions returns the versions that Apply applies to a restored Pagila, oldest first.
func Versions() []string {
	names, _ := fs.Glob(Files, "*.sql") // sorted; the only error is that of a malformed pattern
	var versions []string
	for _, name := range names {
		if version, _, _ := strings.Cut(name, "_"); version > Baseline {
			versions = append(versions, version)
		}
	}
	return versions
}
