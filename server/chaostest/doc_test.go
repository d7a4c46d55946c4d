// Package chaostest breaks what the server depends on, one thing at a time, and measures what its clients notice.
//
// "make chaos" runs every fault in faults, and "make soak" runs the server for half an hour. Both write their part of
// server/RELIABILITY.md. Neither belongs to "make test": they take minutes, and they measure times.
package chaostest

import (
	"testing"

	"example.com/pagila-api/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
