package llm_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/api"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream"
)

// Models are sent the properties in the order of the contract. A parsed contract has lost that order, so
// it is taken from "required".
func TestPropertyOrder(t *testing.T) {
	t.Parallel()
	_, component, _ := strings.Cut(string(api.YAML), "\n    FilmSummary:\n")
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
		t.Errorf("the properties are %q, required is %q", names, parsed.Required)
	}
}

// A component that no reply could be checked against is refused.
func TestBadSchema(t *testing.T) {
	t.Parallel()
	text := func() *openapi3.SchemaRef { return openapi3.NewStringSchema().NewRef() }
	object := func(required ...string) *openapi3.Schema {
		s := openapi3.NewObjectSchema()
		s.Required = required
		s.Properties = openapi3.Schemas{}
		for _, name := range required {
			s.Properties[name] = text()
		}
		return s
	}
	optional := object("title", "rating")
	optional.Properties["recommended"] = text()
	dangling := object("title", "rating", "recommended")
	dangling.Properties["rating"] = &openapi3.SchemaRef{Ref: "#/nowhere"}
	nullable := object("title", "rating", "recommended")
	nullable.Properties["rating"].Value.Nullable = true
	list := object("title", "rating", "recommended")
	list.Properties["rating"].Value = openapi3.NewArraySchema()
	untyped := object("title", "rating", "recommended")
	untyped.Properties["rating"].Value = openapi3.NewSchema()
	for _, test := range []struct {
		name   string
		schema *openapi3.Schema
		want   string
	}{
		{"none", nil, "missing"},
		{"a text", openapi3.NewStringSchema(), "members"},
		{"a member too many", object("title", "rating", "recommended", "why"), "members"},
		{"a member too few", object("title", "rating"), "members"},
		{"optional member", optional, "required"},
		{"unresolved reference", dangling, "missing"},
		{"nullable member", nullable, "nullable"},
		{"list", list, "array"},
		{"no type", untyped, "one type"},
		{"combined", openapi3.NewOneOfSchema(object("title")), "combined"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := llm.New(llm.Config{Upstream: upstream.Config{Provider: "offline"}, Summary: test.schema})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one with %q", err, test.want)
			}
		})
	}
}
