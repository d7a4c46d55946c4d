package contract

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/api"
)

// The contract's bodies are such that decodeBody can read them.
func TestBodiesOfContract(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, o := range Operations(doc) {
		if o.body != nil && !o.Spec().RequestBody.Value.Required {
			t.Errorf("%s: the body is not required", o.ID)
		}
		for mediaType, content := range o.body {
			used[mediaType] = true
			if decoders[mediaType] == nil {
				t.Errorf("%s: there is no decoder for %s", o.ID, mediaType)
			}
			for name, property := range merge(content.Schema.Value).Properties {
				if property.Value.Default != nil {
					t.Errorf("%s: %s has a default, which is ignored", o.ID, name)
				}
			}
		}
	}
	for mediaType := range decoders {
		if !used[mediaType] {
			t.Errorf("no operation has a body of %s", mediaType)
		}
	}
}

// An error that names no place is still an error.
func TestPlacesOfEmptyError(t *testing.T) {
	t.Parallel()
	if got := places(openapi3.MultiError{}, nil); len(got) != 1 || got[0].Detail == "" {
		t.Errorf("the places are %+v", got)
	}
}
