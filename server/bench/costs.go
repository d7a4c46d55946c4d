package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

// costNames are the names of the operations in the table of make bench-check.
var costNames = map[string]string{
	"films": "films", "category": "films by category", "sorted": "films filtered and sorted",
	"cursor": "films after a cursor", "film": "film", rent: "rent", giveBack: "return",
}

// readCosts reads the server's allocations from the table of make bench-check, by the names in the table. That test
// counts them in the server's process. The server under load does not publish them.
func readCosts(file string) (map[string]float64, error) {
	data, err := os.ReadFile(file) //nolint:gosec // the user chooses the file
	if err != nil {
		return nil, err
	}
	costs := map[string]float64{}
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if strings.HasPrefix(line, "#") || len(fields) < 2 || fields[0] == "operation" {
			continue
		}
		if costs[fields[0]], err = strconv.ParseFloat(fields[1], 64); err != nil {
			return nil, fmt.Errorf("%s: the line of %s: %w", file, fields[0], err)
		}
	}
	return costs, nil
}

// allocationsOf returns the server's allocations for an operation, or NaN.
func (b *bench) allocationsOf(o operation) float64 {
	if n, ok := b.costs[costNames[o.name]]; ok {
		return n
	}
	return math.NaN()
}
