package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/llm/upstream"
)

// schemaName is the name of the schema in a request.
const schemaName = "film_summary"

// jsonSchema is the part of JSON Schema that every upstream with schemas understands. Objects are
// strict: they have exactly their properties.
type jsonSchema struct {
	Type        string     `json:"type"`
	Description string     `json:"description,omitempty"`
	Enum        []any      `json:"enum,omitempty"`
	Properties  properties `json:"properties,omitempty"`
	Required    []string   `json:"required,omitempty"`
	Additional  *bool      `json:"additionalProperties,omitempty"`
}

// properties keeps its order in JSON, because models write a reply in the order of its schema, and
// the facts have to come before the decision.
type properties []property

type property struct {
	name   string
	schema *jsonSchema
}

// MarshalJSON writes the properties as one object, in their order.
func (p properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, prop := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(prop.name)
		if err != nil {
			return nil, fmt.Errorf("property name %q: %w", prop.name, err)
		}
		schema, err := json.Marshal(prop.schema)
		if err != nil {
			return nil, fmt.Errorf("property %q: %w", prop.name, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(schema)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// replySchema is the form of a summary: the contract's component, against which replies are checked,
// and the part of it that a model is sent.
type replySchema struct {
	component *openapi3.Schema
	keys      []string
	sent      *jsonSchema
}

// newReplySchema derives the schema from the contract's component. The component has to have exactly
// the members of a [Summary], since no others could be verified.
func newReplySchema(component *openapi3.Schema) (*replySchema, error) {
	if component == nil {
		return nil, errors.New("the summary's schema is missing")
	}
	sent, err := strict(component)
	if err != nil {
		return nil, fmt.Errorf("the summary's schema: %w", err)
	}
	keys := sent.Required
	if want := []string{keyRating, keyRecommended, keyTitle}; !slices.Equal(slices.Sorted(slices.Values(keys)), want) {
		return nil, fmt.Errorf("the summary's schema has the members %q, want %q", keys, want)
	}
	return &replySchema{component: component, keys: keys, sent: sent}, nil
}

// strict converts a schema of OpenAPI 3.0 to the strict form. The properties are in the order of
// "required", because a parsed contract has no other order. Examples, formats and the like have no
// place in the strict form. They are left for the check of the reply.
func strict(s *openapi3.Schema) (*jsonSchema, error) {
	if len(s.OneOf)+len(s.AnyOf)+len(s.AllOf) > 0 || s.Not != nil || s.Nullable {
		return nil, errors.New("combined or nullable schemas cannot be sent to a model")
	}
	types := s.Type.Slice()
	if len(types) != 1 {
		return nil, fmt.Errorf("want one type, not %q", types)
	}
	out := &jsonSchema{Type: types[0], Description: s.Description, Enum: s.Enum}
	switch out.Type {
	case "string", "boolean", "integer", "number":
		return out, nil
	case "object":
	default:
		return nil, fmt.Errorf("type %s cannot be sent to a model", out.Type)
	}
	if len(s.Required) != len(s.Properties) {
		return nil, errors.New("all properties have to be required")
	}
	for _, name := range s.Required {
		ref := s.Properties[name]
		if ref == nil || ref.Value == nil {
			return nil, fmt.Errorf("property %q is required but missing", name)
		}
		child, err := strict(ref.Value)
		if err != nil {
			return nil, fmt.Errorf("property %q: %w", name, err)
		}
		out.Properties = append(out.Properties, property{name, child})
	}
	out.Required = s.Required
	out.Additional = new(bool)
	return out, nil
}

// request returns the schema that the model is sent for a film. The facts are pinned in it if that
// costs nothing.
func (r *replySchema) request(pinned bool, facts Summary) (*upstream.Schema, error) {
	sent := *r.sent
	sent.Properties = slices.Clone(sent.Properties)
	for i, p := range sent.Properties {
		s := *p.schema
		switch {
		case pinned && p.name == keyTitle:
			s.Enum = []any{facts.Title}
		case pinned && p.name == keyRating:
			s.Enum = []any{facts.Rating}
		}
		sent.Properties[i].schema = &s
	}
	raw, err := json.Marshal(&sent)
	if err != nil {
		return nil, fmt.Errorf("write the schema of a summary: %w", err)
	}
	return &upstream.Schema{Name: schemaName, JSON: raw}, nil
}
