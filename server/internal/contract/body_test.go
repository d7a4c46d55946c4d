package contract

import (
	"testing"

	"example.com/pagila-api/api"
)

// A media type of the contract without a decoder would make every request with such a body fail.
func TestDecoders(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, o := range Operations(doc) {
		if o.body == nil {
			continue
		}
		for mediaType := range o.body.content {
			used[mediaType] = true
			if decoders[mediaType] == nil {
				t.Errorf("%s: there is no decoder for %s", o.ID, mediaType)
			}
		}
	}
	for mediaType := range decoders {
		if !used[mediaType] {
			t.Errorf("no operation has a body of %s", mediaType)
		}
	}
}
