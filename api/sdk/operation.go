package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// operation is what the SDKs need to know about an operation.
type operation struct {
	ID, Method, Path     string
	Summary, Description string
	// Places are the parameters in the path, in the path's order.
	Places []parameter
	// Params are those in the query and in headers, Members those of the JSON body. The required ones
	// come first.
	Params, Members []parameter
	// Body and Result name the schemas of the request's and the response's JSON.
	Body, Result string
	// Stream and Form mark the operations whose methods are written by hand: the streams, and
	// createToken, which sends a form.
	Stream, Form bool
	Pages        *pages

	source *openapi3.Operation
}

// parameter is one of a path, a query or a header, or a member of a body.
type parameter struct {
	Name, In    string
	Required    bool
	Description string

	schema  *openapi3.SchemaRef
	example any
}

// pages describes an operation that returns numbered pages: the schema of an item, and the largest page.
type pages struct {
	Item string
	Size int
}

// operations reads the operations of the contract, except those that serve its documentation.
func operations(doc *openapi3.T) ([]operation, error) {
	var all []operation
	for path, item := range doc.Paths.Map() {
		for method, source := range item.Operations() {
			if slices.Contains(source.Tags, "Contract") {
				continue
			}
			op, err := newOperation(method, path, item, source)
			if err != nil {
				return nil, fmt.Errorf("the operation %s: %w", source.OperationID, err)
			}
			all = append(all, op)
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

func newOperation(method, path string, item *openapi3.PathItem, source *openapi3.Operation) (operation, error) {
	op := operation{
		ID: source.OperationID, Method: method, Path: path,
		Summary: source.Summary, Description: strings.TrimSpace(source.Description),
		source: source,
	}
	if err := op.readParameters(slices.Concat(item.Parameters, source.Parameters)); err != nil {
		return operation{}, err
	}
	if err := op.readBody(); err != nil {
		return operation{}, err
	}
	return op, op.readResult()
}

func (op *operation) readParameters(refs openapi3.Parameters) error {
	for _, ref := range refs {
		p := parameter{
			Name: ref.Value.Name, In: ref.Value.In, Required: ref.Value.Required,
			Description: ref.Value.Description, schema: ref.Value.Schema,
			example: cmp.Or(ref.Value.Example, exampleOf(ref.Value.Schema.Value)),
		}
		switch p.In {
		case openapi3.ParameterInPath:
			op.Places = append(op.Places, p)
		case openapi3.ParameterInQuery, openapi3.ParameterInHeader:
			op.Params = append(op.Params, p)
		default:
			return fmt.Errorf("the SDKs cannot send the parameter %s in a %s", p.Name, p.In)
		}
	}
	order := func(p parameter) int { return strings.Index(op.Path, "{"+p.Name+"}") }
	slices.SortFunc(op.Places, func(a, b parameter) int { return order(a) - order(b) })
	sortRequired(op.Params)
	return nil
}

// sortRequired puts the required parameters first.
func sortRequired(parameters []parameter) {
	slices.SortStableFunc(parameters, func(a, b parameter) int {
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		}
		return 1
	})
}

func (op *operation) readBody() error {
	if op.source.RequestBody == nil {
		return nil
	}
	content := op.source.RequestBody.Value.Content
	if content.Get("application/x-www-form-urlencoded") != nil {
		op.Form = true
		return nil
	}
	media := content.Get("application/json")
	if media == nil || refName(media.Schema) == "" {
		return errors.New("its body must be JSON with a named schema")
	}
	op.Body = refName(media.Schema)
	op.Members = members(media.Schema.Value)
	return nil
}

// members returns the members of an object: the required ones in the contract's order, then the others by name.
func members(schema *openapi3.Schema) []parameter {
	var all []parameter
	for name, property := range schema.Properties {
		all = append(all, parameter{
			Name: name, Required: slices.Contains(schema.Required, name),
			Description: property.Value.Description, schema: property, example: exampleOf(property.Value),
		})
	}
	slices.SortFunc(all, func(a, b parameter) int {
		return cmp.Or(slices.Index(schema.Required, a.Name)-slices.Index(schema.Required, b.Name), cmp.Compare(a.Name, b.Name))
	})
	sortRequired(all)
	return all
}

func (op *operation) readResult() error {
	promised := 0
	for _, status := range op.source.Responses.Keys() {
		if !strings.HasPrefix(status, "2") {
			continue
		}
		promised++
		content := op.source.Responses.Value(status).Value.Content
		if content.Get("text/event-stream") != nil {
			op.Stream = true
			return nil
		}
		media := content.Get("application/json")
		if media == nil {
			continue
		}
		if op.Result = refName(media.Schema); op.Result == "" {
			return errors.New("its result must be JSON with a named schema")
		}
		op.readPages(media.Schema.Value)
	}
	if promised != 1 {
		return fmt.Errorf("it has %d statuses of success, and a method returns one result", promised)
	}
	return nil
}

func (op *operation) readPages(result *openapi3.Schema) {
	items, total := result.Properties["items"], result.Properties["total"]
	size := slices.IndexFunc(op.Params, func(p parameter) bool { return p.Name == "page_size" })
	if items == nil || total == nil || size < 0 || !slices.ContainsFunc(op.Params, func(p parameter) bool { return p.Name == "page" }) {
		return
	}
	op.Pages = &pages{Item: refName(items.Value.Items), Size: int(*op.Params[size].schema.Value.Max)}
}

// Handwritten reports whether the method is written by hand.
func (op operation) Handwritten() bool { return op.Stream || op.Form }

// exampleOf returns the contract's example of a schema, or one made from those of its members.
func exampleOf(schema *openapi3.Schema) any {
	switch {
	case schema.Example != nil:
		return schema.Example
	case schema.Type.Is("object"):
		object := map[string]any{}
		for name, property := range schema.Properties {
			object[name] = exampleOf(property.Value)
		}
		return object
	case schema.Type.Is("array"):
		return []any{exampleOf(schema.Items.Value)}
	}
	return nil
}

// All returns the name of the method that reads all pages, such as listAllFilms for listFilms.
func (op operation) All() string {
	if rest, ok := strings.CutPrefix(op.ID, "list"); ok {
		return "listAll" + rest
	}
	return "all" + upper(op.ID)
}

// HasRequired reports whether a parameter in the query or in a header is required.
func (op operation) HasRequired() bool {
	return len(op.Params) > 0 && op.Params[0].Required
}

// example is an operation with the contract's examples as its arguments, for the SDKs' tests.
type example struct {
	ID     string         `json:"id"`
	Method string         `json:"method"`
	Path   string         `json:"path"`
	Places []any          `json:"places"`
	Params map[string]any `json:"params"`
	Body   map[string]any `json:"body"`
	Pages  string         `json:"pages,omitempty"`
}

func (c contract) Examples() []example {
	var all []example
	for _, op := range c.Operations {
		e := example{ID: op.ID, Method: op.Method, Path: op.Path, Places: []any{}, Params: map[string]any{}, Body: map[string]any{}}
		for _, p := range op.Places {
			e.Places = append(e.Places, p.example)
		}
		for _, p := range op.Params {
			e.Params[p.Name] = p.example
		}
		for _, p := range op.Members {
			e.Body[p.Name] = p.example
		}
		if op.Pages != nil {
			e.Pages = op.All()
		}
		all = append(all, e)
	}
	return all
}
