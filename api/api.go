// Package api holds the contract, from which everything on the wire comes.
//
// People edit openapi.yaml. `make generate` adds the headers that every response has, which
// headers.overlay.yaml states once, and writes the whole contract to openapi.gen.yaml. Everything else is made
// from that file: the server interface and the models (package gen), the SDKs, the validation of requests, the
// schema that the language model must obey, Swagger UI and the contract tests.
package api

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:generate go run ./overlay
//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config server.cfg.yaml openapi.gen.yaml
// The generated binding parses the query again for each parameter, and allocates a value even for one that is absent.
// Package gen has a function that does neither.
//
//go:generate gofmt -r "runtime.BindQueryParameterWithOptions(\"form\", true, r, n, c.Request.URL.Query(), d, o) -> bindQuery(c, r, n, d, o)" -w ../gen/server.gen.go
//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config client.cfg.yaml openapi.gen.yaml
//go:generate go run ./sdk

// YAML is the whole contract, with the comments and in the order of openapi.yaml.
//
//go:embed openapi.gen.yaml
var YAML []byte

// Load parses the contract and checks it: against OpenAPI 3.0, and each example and default
// against its schema. Each call returns a document of its own.
func Load(ctx context.Context) (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	loader.Context = ctx
	doc, err := loader.LoadFromData(YAML)
	if err != nil {
		return nil, fmt.Errorf("parse the contract: %w", err)
	}
	if err := doc.Validate(ctx, openapi3.EnableExamplesValidation(), openapi3.EnableSchemaDefaultsValidation(), openapi3.EnableSchemaPatternValidation()); err != nil {
		return nil, fmt.Errorf("check the contract: %w", err)
	}
	return doc, nil
}
