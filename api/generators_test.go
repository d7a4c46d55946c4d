package api_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"example.com/pagila-api/api"
)

// Generators copy descriptions into comments and patterns into string literals. `*/` ends a comment, a byte
// order mark or a line separator does not compile in Go or C#, and Rust rejects marks that change the direction
// of text. In patterns, RE2 does not support the escape \u, and \x80 to \xFF mean bytes in Ruby.
func TestTextsAreValidInSourceCode(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := doc.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var contract any
	if err := json.Unmarshal(raw, &contract); err != nil {
		t.Fatal(err)
	}
	invalid := regexp.MustCompile(`\*/|[\x00-\x08\x0B-\x1F\x7F-\x9F\x{2028}-\x{202E}\x{2066}-\x{2069}\x{FEFF}]|\\u|\\x[89A-Fa-f]`)
	walkTexts(contract, func(text string) {
		if at := invalid.FindString(text); at != "" {
			t.Errorf("%+q in %+q", at, text)
		}
	})
}

// Generators derive more names from the contract's: in Go the constructor NewFilm from a schema Film, in
// TypeScript the parameters ListFilmsRequest from an operation listFilms. No schema may have such a name.
func TestGeneratedNamesDoNotCollide(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	origins := map[string]string{}
	add := func(name, origin string) {
		if other, ok := origins[strings.ToLower(name)]; ok {
			t.Errorf("%s and %s produce the same name, %s", other, origin, name)
		}
		origins[strings.ToLower(name)] = origin
	}
	for name := range doc.Components.Schemas {
		add(name, "the schema "+name)
		add("New"+name, "the schema "+name)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			add(op.OperationID+"Request", "the operation "+op.OperationID)
		}
	}
}

func walkTexts(v any, visit func(string)) {
	switch v := v.(type) {
	case string:
		visit(v)
	case []any:
		for _, item := range v {
			walkTexts(item, visit)
		}
	case map[string]any:
		for _, member := range v {
			walkTexts(member, visit)
		}
	}
}
