package server_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/pagila-api/server/internal/contract"
)

// documentedEndpoint finds an endpoint in a row of a table.
var documentedEndpoint = regexp.MustCompile("`([A-Z]+ /[^` ]*)`")

// The README's table of endpoints has each operation of the contract.
func TestReadmeEndpoints(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## The endpoints\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var listed []string
	for row := range strings.Lines(section) {
		if !strings.HasPrefix(row, "|") {
			continue
		}
		for _, found := range documentedEndpoint.FindAllStringSubmatch(row, -1) {
			listed = append(listed, found[1])
		}
	}
	var operations []string
	for _, op := range contract.Operations(loadContract(t)) {
		operations = append(operations, op.Method+" "+op.Path)
		if !slices.Contains(listed, op.Method+" "+op.Path) {
			t.Errorf("the README's table of endpoints lacks %s %s", op.Method, op.Path)
		}
	}
	for _, endpoint := range listed {
		if !slices.Contains(operations, endpoint) {
			t.Errorf("the README's table of endpoints has %s, and the contract does not", endpoint)
		}
	}
}
