package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/api"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.0.3" {
		// 3.1 would cost 160 µs a request in the validator, which also checks less of it.
		t.Errorf("the contract is OpenAPI %s, want 3.0.3", doc.OpenAPI)
	}
}

// The generated binding looks for a parameter of the query by its name (gen/query.go). The members of an object would have
// names of their own.
func TestNoObjectsInQueries(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for _, p := range op.Parameters {
				if p.Value.In != openapi3.ParameterInQuery {
					continue
				}
				checked++
				if types := p.Value.Schema.Value.Type; types.Includes("object") || types.IsEmpty() {
					t.Errorf("%s %s: the parameter %s may be an object", method, path, p.Value.Name)
				}
			}
		}
	}
	if checked == 0 {
		t.Error("no parameter was found")
	}
}

// The server rejects a NUL in any text, because PostgreSQL cannot store one. The contract has to say so. Otherwise
// the server would reject requests that follow the contract.
func TestTextsHaveNoNUL(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.Responses.Status(http.StatusBadRequest) == nil {
				continue // probes and documentation accept any text
			}
			for _, p := range op.Parameters {
				schema := p.Value.Schema.Value
				if schema.Type.Is("array") {
					schema = schema.Items.Value
				}
				if p.Value.In == "header" || !schema.Type.Is("string") {
					continue // net/http rejects a NUL in a header
				}
				if err := schema.VisitJSON("a\x00b"); err == nil {
					t.Errorf("%s %s: the parameter %s accepts a NUL", method, path, p.Value.Name)
				}
				free := strings.Contains(schema.Pattern, "[^\\x00]") // not an enum, an amount or a cursor
				if err := schema.VisitJSON("ab"); free && err != nil {
					t.Errorf("%s %s: the parameter %s rejects plain text: %v", method, path, p.Value.Name, err)
				}
			}
		}
	}
	if err := doc.Components.Schemas["Question"].Value.VisitJSON(map[string]any{"question": "a\x00b"}); err == nil {
		t.Error("a question accepts a NUL")
	}
}

// The server compares numbers as float64, so bounds that a float64 cannot hold would be inexact.
func TestIntegersOfRequestsHaveExactBounds(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const exact = 1<<53 - 1
	check := func(where string, schema *openapi3.Schema) {
		if schema.Type.Is("number") {
			t.Errorf("%s is a number, which the server could round", where)
		}
		if schema.Type.Is("integer") && (schema.Min == nil || *schema.Min < -exact || schema.Max == nil || *schema.Max > exact) {
			t.Errorf("%s has no bounds that a float64 holds exactly", where)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for _, p := range op.Parameters {
				check(method+" "+path+" "+p.Value.Name, p.Value.Schema.Value)
			}
			if op.RequestBody == nil {
				continue
			}
			for _, content := range op.RequestBody.Value.Content {
				for name, property := range content.Schema.Value.Properties {
					check(method+" "+path+" "+name, property.Value)
				}
			}
		}
	}
}
