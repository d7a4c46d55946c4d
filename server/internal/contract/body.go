package contract

import (
	"io"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// body is the body of an operation's requests.
type body struct {
	required bool
	content  map[string]*openapi3.Schema // by media type
}

func newBody(spec *openapi3.RequestBody) *body {
	b := &body{required: spec.Required, content: map[string]*openapi3.Schema{}}
	for mediaType, content := range spec.Content {
		b.content[mediaType] = content.Schema.Value
	}
	return b
}

// decoders read the media types of bodies. They are stricter than those of kin-openapi, which ignore what follows a
// JSON value, and accept members and parameters that are repeated.
var decoders = map[string]func(data []byte) (any, error){
	"application/json":                  decodeJSON,
	"application/x-www-form-urlencoded": decodeForm,
}

// asRequest are the options with which kin-openapi validates the value of a body.
var asRequest = []openapi3.SchemaValidationOption{openapi3.VisitAsRequest(), openapi3.MultiErrors()}

// value decodes and validates a body. The error is for [places].
func (b *body) value(mediaType string, data []byte) (any, error) {
	if len(data) == 0 && b.required {
		return nil, openapi3filter.ErrInvalidRequired
	}
	if len(data) == 0 {
		return nil, nil //nolint:nilnil // there is no body
	}
	value, err := decoders[mediaType](data)
	if err != nil {
		return nil, err
	}
	return value, b.content[mediaType].VisitJSON(value, asRequest...)
}

// validatedBody is a body that has been read and validated. The binding takes its value, instead of decoding the body
// again by encoding/json's less strict rules.
type validatedBody struct {
	io.ReadCloser
	value any
}

// ValidatedValue returns the value of the body.
func (b validatedBody) ValidatedValue() any { return b.value }
