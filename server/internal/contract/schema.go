package contract

import (
	"maps"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Schema is a JSON Schema (draft 2020-12).
type Schema map[string]any

// formats are the formats that OpenAPI adds to those of JSON Schema.
var formats = []string{"int32", "int64", "float", "double", "byte", "binary", "password"}

// newSchema writes a schema of OpenAPI 3.0 as a JSON Schema. The result refers to no other schema, and has
// none of the words that OpenAPI adds to JSON Schema.
func newSchema(s *openapi3.Schema) Schema {
	s = merge(s)
	out := Schema{}
	if s.Nullable { // one type for each alternative, since some clients know no lists of types
		plain := *s
		plain.Nullable, plain.Description = false, ""
		out.setDescription(s.Description)
		out["anyOf"] = []Schema{newSchema(&plain), {"type": openapi3.TypeNull}}
		return out
	}
	out.set("type", strings.Join(s.Type.Slice(), ""), s.Type != nil)
	out.setDescription(s.Description)
	out.set("enum", s.Enum, len(s.Enum) > 0)
	out.set("default", s.Default, s.Default != nil)
	out.set("format", s.Format, s.Format != "" && !slices.Contains(formats, s.Format))
	out.setBounds(s)
	out.set("properties", properties(s), len(s.Properties) > 0)
	out.set("required", s.Required, len(s.Required) > 0)
	if allowed := s.AdditionalProperties.Has; allowed != nil {
		out["additionalProperties"] = *allowed
	} else if members := s.AdditionalProperties.Schema; members != nil {
		out["additionalProperties"] = newSchema(members.Value)
	}
	if s.Items != nil {
		out["items"] = newSchema(s.Items.Value)
	}
	if s.Not != nil {
		out["not"] = newSchema(s.Not.Value)
	}
	out.set("anyOf", alternatives(s.AnyOf), len(s.AnyOf) > 0)
	out.set("oneOf", alternatives(s.OneOf), len(s.OneOf) > 0)
	return out
}

func alternatives(refs openapi3.SchemaRefs) []Schema {
	all := make([]Schema, len(refs))
	for i, ref := range refs {
		all[i] = newSchema(ref.Value)
	}
	return all
}

// set sets a keyword if the condition holds.
func (s Schema) set(keyword string, value any, condition bool) {
	if condition {
		s[keyword] = value
	}
}

func (s Schema) setDescription(text string) {
	s.set("description", strings.TrimSpace(text), text != "")
}

// setBounds sets the keywords that bound numbers, strings and lists.
func (s Schema) setBounds(from *openapi3.Schema) {
	// In OpenAPI 3.0 an exclusive bound is a flag beside the bound.
	s.set("minimum", from.Min, from.Min != nil && !from.ExclusiveMin.IsTrue())
	s.set("exclusiveMinimum", from.Min, from.Min != nil && from.ExclusiveMin.IsTrue())
	s.set("maximum", from.Max, from.Max != nil && !from.ExclusiveMax.IsTrue())
	s.set("exclusiveMaximum", from.Max, from.Max != nil && from.ExclusiveMax.IsTrue())
	s.set("multipleOf", from.MultipleOf, from.MultipleOf != nil)
	s.set("minLength", from.MinLength, from.MinLength > 0)
	s.set("maxLength", from.MaxLength, from.MaxLength != nil)
	s.set("pattern", from.Pattern, from.Pattern != "")
	s.set("minItems", from.MinItems, from.MinItems > 0)
	s.set("maxItems", from.MaxItems, from.MaxItems != nil)
	s.set("uniqueItems", true, from.UniqueItems)
	s.set("minProperties", from.MinProps, from.MinProps > 0)
	s.set("maxProperties", from.MaxProps, from.MaxProps != nil)
}

func properties(s *openapi3.Schema) map[string]any {
	all := map[string]any{}
	for name, property := range s.Properties {
		all[name] = newSchema(property.Value)
	}
	return all
}

// merge makes one object of a schema that is composed by allOf, which is all that the contract uses it
// for. Many clients expect the members of an object at its top.
func merge(s *openapi3.Schema) *openapi3.Schema {
	if len(s.AllOf) == 0 {
		return s
	}
	whole := *s
	whole.AllOf, whole.Properties, whole.Required = nil, maps.Clone(s.Properties), slices.Clone(s.Required)
	if whole.Properties == nil {
		whole.Properties = openapi3.Schemas{}
	}
	for _, ref := range s.AllOf {
		part := merge(ref.Value)
		whole.Type = part.Type
		maps.Copy(whole.Properties, part.Properties)
		whole.Required = append(whole.Required, part.Required...)
	}
	return &whole
}
