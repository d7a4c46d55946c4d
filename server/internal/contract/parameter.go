package contract

import (
	"reflect"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// parameter is a parameter of an operation.
type parameter struct {
	*openapi3.Parameter
	plain bool // it has the default style, and its schema is an int32 with a minimum, a maximum and no other constraint
}

func newParameter(p *openapi3.Parameter) parameter {
	s := p.Schema.Value
	plain := openapi3.Schema{
		Type: &openapi3.Types{openapi3.TypeInteger}, Format: "int32", Min: s.Min, Max: s.Max,
		Description: s.Description, Default: s.Default, Example: s.Example, Origin: s.Origin, Extensions: s.Extensions,
	}
	return parameter{p, p.Style == "" && s.Min != nil && s.Max != nil && reflect.DeepEqual(&plain, s)}
}

// accepts reports whether the parameter is plain, such as the id of a film, and its value is valid. kin-openapi
// validates all other parameters and values. If it validated these as well, the validation of a request for a film would
// take twice as long.
func (p parameter) accepts(input *openapi3filter.RequestValidationInput) bool {
	if !p.plain {
		return false
	}
	var text string
	switch p.In {
	case openapi3.ParameterInPath:
		text = input.PathParams[p.Name]
	case openapi3.ParameterInQuery:
		text = input.QueryParams.Get(p.Name)
	default:
		return false
	}
	if text == "" || text[0] < '1' || text[0] > '9' { // no sign, and no leading zero
		return false
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return err == nil && float64(n) >= *p.Schema.Value.Min && float64(n) <= *p.Schema.Value.Max
}
