package contract

import (
	"io"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// decoders read the media types of bodies. They are stricter than those of kin-openapi, which ignore what follows a
// JSON value, and accept members and parameters that are repeated.
var decoders = map[string]func(data []byte) (any, error){
	mediaTypeJSON:                       DecodeJSON,
	"application/x-www-form-urlencoded": decodeForm,
}

// asRequest are the options with which kin-openapi validates the value of a body.
var asRequest = []openapi3.SchemaValidationOption{openapi3.VisitAsRequest(), openapi3.MultiErrors()}

// decodeBody decodes and validates a body. The contract requires every body that it describes, and gives its members no
// defaults, which would be ignored here. [places] translates the error.
func (o *Operation) decodeBody(mediaType string, data []byte) (any, error) {
	if len(data) == 0 {
		return nil, openapi3filter.ErrInvalidRequired
	}
	value, err := decoders[mediaType](data)
	if err != nil {
		return nil, err
	}
	return value, o.body[mediaType].Schema.Value.VisitJSON(value, asRequest...)
}

// validatedBody is a body that has been read and validated. The binding takes its value, instead of decoding the body
// again by encoding/json's less strict rules.
type validatedBody struct {
	io.ReadCloser
	value any
}

// ValidatedValue returns the value of the body. oapi-codegen's BindJSONBody asks for it.
func (b validatedBody) ValidatedValue() any { return b.value }
