package client_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The errors, their members and the options have the same names in all three SDKs, apart from the case of
// letters. Go takes the base URL as an argument, and browsers have no transport to replace but fetch.
func TestNamesAgree(t *testing.T) {
	t.Parallel()
	for name, sources := range map[string][]source{
		"errors": {
			{"errors.go", "", `(?m)^type (\w+Error) `},
			{"../typescript/src/errors.ts", "", `(?m)^export class (\w+Error) `},
			{"../python/pagila_api/errors.py", "", `(?m)^class (\w+Error)\(`},
		},
		"members of HTTPError": {
			{"errors.go", `type HTTPError struct \{(?s:.*?)\n\}`, `(?m)^\t([A-Z]\w+) `},
			{"../typescript/src/errors.ts", `class HTTPError (?s:.*?)\n\}`, `readonly (\w+):`},
			{"../python/pagila_api/errors.py", `class HTTPError(?s:.*?)\nclass`, `self\.(\w+) = `},
		},
		"options": {
			{"api.go", "", `(?m)^func With(\w+)\(`},
			{"../typescript/src/index.ts", `interface ClientOptions \{(?s:.*?)\n\}`, `(?m)^  (\w+)\??:`},
			{"../python/pagila_api/_async_client.py", `def __init__(?s:.*?)-> None`, `(?m)^        (\w+): `},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := sources[0].names(t)
			for _, s := range sources[1:] {
				if diff := cmp.Diff(want, s.names(t)); diff != "" {
					t.Errorf("%s differs from Go (-Go +%[1]s):\n%s", s.file, diff)
				}
			}
		})
	}
}

// source says where names are in a file: the part of the file, and the pattern of a name.
type source struct{ file, part, name string }

// names returns the names in lower case, without separators.
func (s source) names(t *testing.T) []string {
	t.Helper()
	document, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(document)
	if s.part != "" {
		text = regexp.MustCompile(s.part).FindString(text)
	}
	var names []string
	for _, match := range regexp.MustCompile(s.name).FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(strings.ReplaceAll(match[1], "_", ""))
		switch name {
		case "baseurl":
			continue
		case "fetch":
			name = "transport"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) < 5 {
		t.Fatalf("%s has only the names %v", s.file, names)
	}
	return names
}
