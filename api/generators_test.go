package api_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"example.com/pagila-api/api"
)

// Generators copy descriptions into comments and patterns into literals. `*/` ends a comment, a byte
// order mark or a line separator does not compile in Go or C#, and the marks that turn the direction of
// text round are refused by Rust. Of the escapes in patterns, \u is none in RE2, and \x80 to \xFF mean
// bytes in Ruby.
func TestTextsMayStandInSourceCode(t *testing.T) {
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
	unsuited := regexp.MustCompile(`\*/|[\x00-\x08\x0B-\x1F\x7F-\x9F\x{2028}-\x{202E}\x{2066}-\x{2069}\x{FEFF}]|\\u|\\x[89A-Fa-f]`)
	walkTexts(contract, func(text string) {
		if at := unsuited.FindString(text); at != "" {
			t.Errorf("%+q in %+q", at, text)
		}
	})
}

// Generators make more names of the contract's: the constructor NewFilm of a schema Film in Go, the
// parameters ListFilmsRequest of an operation listFilms in TypeScript. No schema may have such a name.
func TestGeneratedNamesDoNotCollide(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	takenBy := map[string]string{}
	take := func(name, by string) {
		if other, taken := takenBy[strings.ToLower(name)]; taken {
			t.Errorf("%s and %s yield the same name, %s", other, by, name)
		}
		takenBy[strings.ToLower(name)] = by
	}
	for name := range doc.Components.Schemas {
		take(name, "the schema "+name)
		take("New"+name, "the schema "+name)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			take(op.OperationID+"Request", "the operation "+op.OperationID)
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
