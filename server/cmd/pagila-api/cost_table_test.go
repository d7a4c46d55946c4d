package main

import (
	"fmt"
	"go/version"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// cost is what a request costs.
type cost struct {
	allocations, roundTrips, statements int
	instructions                        int // 0 if they were not counted
}

// costs is the table of costs.
type costs struct {
	goVersion string // for which the allocations and the instructions hold
	rows      map[string]cost
}

// instructionTolerance is the relative difference that a number of instructions may have. The number depends a little
// on the processor, because Go copies memory with the instructions that it has.
const instructionTolerance = 0.05

const costsHead = `# What a request costs the server, in steady state, on the built-in sample: the objects that it allocates, the round
# trips to PostgreSQL, the statements in them, and the instructions in user space (- if no machine has counted them).
# make bench-check compares this table, and make bench-check update=1 rewrites it.
# Go: `

const costsColumns = "operation\tallocations\tround trips\tstatements\tinstructions"

func (c cost) String() string {
	instructions := "-"
	if c.instructions > 0 {
		instructions = strconv.Itoa(c.instructions)
	}
	return fmt.Sprintf("%d\t%d\t%d\t%s", c.allocations, c.roundTrips, c.statements, instructions)
}

// write writes the table in the order of the operations. Instructions that were not counted stay as committed.
func (c costs) write(path string, committed costs) error {
	var b strings.Builder
	b.WriteString(costsHead + c.goVersion + "\n" + costsColumns + "\n")
	for _, o := range operations {
		row := c.rows[o.name]
		if row.instructions == 0 {
			row.instructions = committed.rows[o.name].instructions
		}
		fmt.Fprintf(&b, "%s\t%s\n", o.name, row)
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

// readCosts reads what write has written.
func readCosts(path string) (costs, error) {
	c := costs{rows: map[string]cost{}}
	data, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	_, table, _ := strings.Cut(string(data), costsHead)
	c.goVersion, table, _ = strings.Cut(table, "\n")
	_, table, ok := strings.Cut(table, costsColumns+"\n")
	if !ok {
		return c, fmt.Errorf("%s has another head than this test writes: make bench-check update=1", path)
	}
	for line := range strings.Lines(table) {
		var row cost
		name, numbers, _ := strings.Cut(line, "\t")
		if _, err := fmt.Sscan(strings.ReplaceAll(numbers, "-", "0"), &row.allocations, &row.roundTrips, &row.statements, &row.instructions); err != nil {
			return c, fmt.Errorf("%s: %q: %w", path, line, err)
		}
		c.rows[name] = row
	}
	return c, nil
}

// goVersion names what the number of allocations depends on: the compiler and the library. It is the same for go1.26.0
// and go1.26.8.
func goVersion() string { return version.Lang(runtime.Version()) + " " + runtime.GOARCH }

// compareCosts fails the test if the tables differ, even if a request has become cheaper. Allocations are compared only
// with those of the same version of Go.
func compareCosts(t *testing.T, committed, measured costs) {
	t.Helper()
	sameGo := committed.goVersion == measured.goVersion
	if !sameGo {
		report := t.Logf
		if os.Getenv("CI") != "" {
			report = t.Errorf
		}
		report("allocations and instructions are not compared: the table is for %s, this is %s", committed.goVersion, measured.goVersion)
	}
	for _, o := range operations {
		want, got := committed.rows[o.name], measured.rows[o.name]
		expected := want
		if !sameGo {
			expected.allocations, expected.instructions = got.allocations, 0
		}
		if !expected.matches(got) {
			t.Errorf("%s:\n\t%s\nis\t%s\nnot\t%s", o.name, strings.TrimPrefix(costsColumns, "operation\t"), got, want)
		}
	}
	if t.Failed() {
		t.Log("if that is intended: make bench-check update=1")
	}
}

// matches reports whether what was measured is what was committed.
func (c cost) matches(measured cost) bool {
	if c.instructions > 0 && measured.instructions > 0 {
		change := float64(measured.instructions)/float64(c.instructions) - 1
		if math.Abs(change) > instructionTolerance {
			return false
		}
	}
	c.instructions, measured.instructions = 0, 0
	return c == measured
}
