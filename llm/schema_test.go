package llm_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPropertyOrder holds the order in which models are sent the properties, that of "required",
// against the order in which the contract has them. A parsed contract has lost the latter.
func TestPropertyOrder(t *testing.T) {
	t.Parallel()
	contract, err := os.ReadFile("../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, component, _ := strings.Cut(string(contract), "\n    FilmSummary:\n")
	component = regexp.MustCompile(`(?m)^    \w`).Split(component, 2)[0]
	var names []string
	for _, found := range regexp.MustCompile(`(?m)^        (\w+):$`).FindAllStringSubmatch(component, -1) {
		names = append(names, found[1])
	}
	parsed, err := summaryComponent()
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 || !slices.Equal(names, parsed.Required) {
		t.Errorf("the properties are %q, but required %q", names, parsed.Required)
	}
}
