package contract

import (
	"encoding/json"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Each keyword of OpenAPI 3.0 has its counterpart in JSON Schema.
func TestSchema(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ openAPI, want string }{
		"integer":   {`{"type":"integer","format":"int32","minimum":1,"maximum":2147483647,"example":5}`, `{"maximum":2147483647,"minimum":1,"type":"integer"}`},
		"exclusive": {`{"type":"number","minimum":0,"exclusiveMinimum":true,"maximum":9,"exclusiveMaximum":true,"multipleOf":0.5}`, `{"exclusiveMaximum":9,"exclusiveMinimum":0,"multipleOf":0.5,"type":"number"}`},
		"string":    {`{"type":"string","minLength":1,"maxLength":2,"pattern":"^a","enum":["a"],"default":"a","description":"A.\n","x-y":1}`, `{"default":"a","description":"A.","enum":["a"],"maxLength":2,"minLength":1,"pattern":"^a","type":"string"}`},
		"format":    {`{"type":"string","format":"date-time"}`, `{"format":"date-time","type":"string"}`},
		"password":  {`{"type":"string","format":"password"}`, `{"type":"string"}`},
		"nullable":  {`{"type":"string","enum":["a"],"nullable":true,"description":"A."}`, `{"anyOf":[{"enum":["a"],"type":"string"},{"type":"null"}],"description":"A."}`},
		"list":      {`{"type":"array","minItems":1,"maxItems":2,"uniqueItems":true,"items":{"type":"boolean"}}`, `{"items":{"type":"boolean"},"maxItems":2,"minItems":1,"type":"array","uniqueItems":true}`},
		"object":    {`{"type":"object","required":["a"],"properties":{"a":{"type":"string"}},"additionalProperties":false}`, `{"additionalProperties":false,"properties":{"a":{"type":"string"}},"required":["a"],"type":"object"}`},
		"map":       {`{"type":"object","minProperties":1,"maxProperties":2,"additionalProperties":{"type":"string"}}`, `{"additionalProperties":{"type":"string"},"maxProperties":2,"minProperties":1,"type":"object"}`},
		"all of": {
			`{"description":"Both.","allOf":[{"type":"object","required":["a"],"properties":{"a":{"type":"string"}}},{"type":"object","required":["b"],"properties":{"b":{"type":"string"}}}]}`,
			`{"description":"Both.","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a","b"],"type":"object"}`,
		},
		"alternatives": {`{"anyOf":[{"type":"string"}],"oneOf":[{"type":"string"}],"not":{"type":"string"}}`, `{"anyOf":[{"type":"string"}],"not":{"type":"string"},"oneOf":[{"type":"string"}]}`},
	} {
		var s openapi3.Schema
		if err := json.Unmarshal([]byte(test.openAPI), &s); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(newSchema(&s))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}
