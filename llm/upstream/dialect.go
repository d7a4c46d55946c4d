package upstream

import "encoding/json"

// dialect is the HTTP API of one kind of upstream.
type dialect interface {
	// edit turns a request that the adapter has written into one that the upstream understands.
	edit(body map[string]json.RawMessage, x *exchange, s shape) error
	// weakest is the weakest shape that a request can take.
	weakest(x *exchange) shape
	// parse reads one document of a response. It fails if the document does not belong to the dialect.
	parse(data []byte) (piece, error)
	// adapterGets returns what the adapter gets for a chunk of text and at the end. The text itself
	// does not go through the adapter.
	adapterGets(x *exchange) (wake, last []byte)
	// modelList is the path of the list of models, relative to the base URL.
	modelList() string
	// sameModel reports whether a name in that list may mean the model. Both are plain names.
	sameModel(listed, model string) bool
	// remedy is what the operator can do if the upstream does not have the model.
	remedy(model string) string
}
