package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// operation describes an operation of the contract for the templates.
type operation struct {
	ID, Method, Path     string
	Summary, Description string
	// PathParams are in the path's order.
	PathParams []parameter
	// Params are the parameters in the query and in headers, Members the properties of the JSON body. The
	// required ones come first.
	Params, Members []parameter
	// Body and Result are the names of the request's and the response's schemas. They are empty if there is
	// no JSON.
	Body, Result string
	BodyRequired bool
	// Stream and Form mark operations whose methods are written by hand: streams, and createToken, which
	// sends a form.
	Stream, Form bool
	Pages        *pages
	// Repeat is nil if the operation must not be repeated after a lost response.
	Repeat *repeat

	source *openapi3.Operation
}

// parameter is a parameter in a path, a query or a header, or a property of a body.
type parameter struct {
	Name, In    string
	Required    bool
	Description string

	schema  *openapi3.SchemaRef
	example any
}

// pages describes how to read all pages of a list.
type pages struct {
	Item     string // the schema of an item
	Size     int    // the largest page, or 0 if the client cannot choose
	Numbered bool   // by the parameter page
	Cursor   bool   // by the parameter cursor

	result *openapi3.Schema
}

// repeat describes how the server answers a request that it carried out before: with 409, this code, and the result
// in this member of the problem document. The contract's x-repeat has it.
type repeat struct{ Code, Member string }

// operations reads the operations of the contract, except those that serve its documentation.
func operations(doc *openapi3.T) ([]operation, error) {
	var all []operation
	for path, item := range doc.Paths.Map() {
		for method, source := range item.Operations() {
			if slices.Contains(source.Tags, "Contract") {
				continue
			}
			op, err := newOperation(method, path, item, source)
			if err == nil {
				err = op.readRepeat(doc.Components.Schemas)
			}
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
	if err := op.readResult(); err != nil {
		return operation{}, err
	}
	return op, op.checkNames()
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
			op.PathParams = append(op.PathParams, p)
		case openapi3.ParameterInQuery, openapi3.ParameterInHeader:
			if err := checkStyle(ref.Value); err != nil {
				return err
			}
			op.Params = append(op.Params, p)
		default:
			return fmt.Errorf("the SDKs cannot send the parameter %s in a %s", p.Name, p.In)
		}
	}
	order := func(p parameter) int { return strings.Index(op.Path, "{"+p.Name+"}") }
	slices.SortFunc(op.PathParams, func(a, b parameter) int { return order(a) - order(b) })
	sortRequired(op.Params)
	return nil
}

// checkStyle returns an error for a parameter that is not sent as one value, or as one value for each item.
func checkStyle(p *openapi3.Parameter) error {
	schema := p.Schema.Value
	if schema.Type.Is("array") {
		method, err := p.SerializationMethod()
		if err != nil {
			return fmt.Errorf("the parameter %s: %w", p.Name, err)
		}
		if p.In == openapi3.ParameterInQuery && (method.Style != openapi3.SerializationForm || !method.Explode) {
			return fmt.Errorf("the SDKs repeat the parameter %s for each item, and cannot join the items", p.Name)
		}
		schema = schema.Items.Value
	}
	if schema.Type.Is("array") || schema.Type.Is("object") {
		return fmt.Errorf("the SDKs cannot send the parameter %s, which is not a value or a list of values", p.Name)
	}
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
	if !isObject(media.Schema.Value) {
		return errors.New("its body must be an object")
	}
	op.Body, op.BodyRequired = refName(media.Schema), op.source.RequestBody.Value.Required
	op.Members = members(media.Schema.Value)
	return nil
}

// checkNames returns an error if two arguments have the same name. In Python the members of the body are
// arguments too.
func (op *operation) checkNames() error {
	used := map[string]bool{}
	for _, p := range slices.Concat(op.PathParams, op.Params, op.Members) {
		if name := pyName(p.Name); used[name] {
			return fmt.Errorf("it has two arguments with the name %s", name)
		}
		used[pyName(p.Name)] = true
	}
	return nil
}

func isObject(schema *openapi3.Schema) bool {
	return schema.Type.Is("object") || len(schema.AllOf) > 0
}

// flatten returns the properties of an object and the names of the required ones, including those of the
// schemas that it is composed of.
func flatten(schema *openapi3.Schema) (openapi3.Schemas, []string) {
	properties, required := openapi3.Schemas{}, slices.Clone(schema.Required)
	for _, part := range schema.AllOf {
		more, names := flatten(part.Value)
		maps.Copy(properties, more)
		required = append(required, names...)
	}
	maps.Copy(properties, schema.Properties)
	return properties, required
}

// members returns the properties of an object: the required ones in the contract's order, then the others by name.
func members(schema *openapi3.Schema) []parameter {
	var all []parameter
	properties, required := flatten(schema)
	for name, property := range properties {
		all = append(all, parameter{
			Name: name, Required: slices.Contains(required, name),
			Description: property.Value.Description, schema: property, example: exampleOf(property.Value),
		})
	}
	slices.SortFunc(all, func(a, b parameter) int {
		return cmp.Or(slices.Index(required, a.Name)-slices.Index(required, b.Name), cmp.Compare(a.Name, b.Name))
	})
	sortRequired(all)
	return all
}

// readResult reads the responses of a success. There may be several statuses if all have the same result.
func (op *operation) readResult() error {
	results := map[string]bool{}
	for _, status := range op.source.Responses.Keys() {
		if !strings.HasPrefix(status, "2") {
			continue
		}
		content := op.source.Responses.Value(status).Value.Content
		if content.Get("text/event-stream") != nil {
			op.Stream = true
			return nil
		}
		media := content.Get("application/json")
		if media == nil {
			results[""] = true
			continue
		}
		if op.Result = refName(media.Schema); op.Result == "" || !isObject(media.Schema.Value) {
			return errors.New("its result must be a JSON object with a named schema")
		}
		results[op.Result] = true
		if err := op.readPages(media.Schema.Value); err != nil {
			return err
		}
	}
	if len(results) != 1 {
		return fmt.Errorf("it has %d results, and a method returns one", len(results))
	}
	return nil
}

// readRepeat reads x-repeat. It returns an error if the contract does not have the response that x-repeat describes.
func (op *operation) readRepeat(schemas openapi3.Schemas) error {
	extension, ok := op.source.Extensions["x-repeat"].(map[string]any)
	if !ok {
		return nil
	}
	code, _ := extension["code"].(string)
	member, _ := extension["member"].(string)
	switch {
	case op.source.Responses.Value("409") == nil:
		return errors.New("its x-repeat needs the response 409")
	case schemas["ProblemCode"] == nil || !slices.Contains(schemas["ProblemCode"].Value.Enum, any(code)):
		return fmt.Errorf("the code %q of its x-repeat is not a ProblemCode", code)
	case schemas["Problem"] == nil || op.Result == "" || refName(schemas["Problem"].Value.Properties[member]) != op.Result:
		return fmt.Errorf("the member %q of its x-repeat is not a member of Problem with the operation's result", member)
	}
	op.Repeat = &repeat{code, member}
	return nil
}

// readPages recognizes a list with pages by its schema: the response has items, and either a total, which
// belongs to the parameters page and page_size, or next_cursor, which belongs to the parameter cursor.
func (op *operation) readPages(result *openapi3.Schema) error {
	properties, _ := flatten(result)
	size, number, cursor := op.param("page_size"), op.param("page"), op.param("cursor")
	p := pages{
		Numbered: number != nil && size != nil && properties["total"] != nil,
		Cursor:   cursor != nil && properties["next_cursor"] != nil,
		result:   result,
	}
	if properties["items"] == nil || !p.Numbered && !p.Cursor {
		return nil
	}
	if p.Item = refName(properties["items"].Value.Items); p.Item == "" {
		return errors.New("the items of its pages must have a named schema")
	}
	if size != nil && size.schema.Value.Max != nil {
		p.Size = int(*size.schema.Value.Max)
	}
	op.Pages = &p
	return cmp.Or(number.checkPaging(), size.checkPaging(), cursor.checkPaging(), p.check(properties))
}

// check returns an error if an iterator cannot find the next page by the properties of a page.
func (p pages) check(properties openapi3.Schemas) error {
	switch {
	case p.Cursor && !isText(properties["next_cursor"]):
		return errors.New("next_cursor of pages must be a string without a format")
	case p.Numbered && !properties["total"].Value.Type.Is("integer"):
		return errors.New("the total of pages must be an integer")
	}
	return nil
}

// checkPaging returns an error if an iterator cannot set the parameter.
func (p *parameter) checkPaging() error {
	switch {
	case p == nil:
		return nil
	case p.Required:
		return fmt.Errorf("the parameter %s of pages must be optional", p.Name)
	case p.Name == "cursor" && !isText(p.schema):
		return fmt.Errorf("the parameter %s of pages must be a string without a format", p.Name)
	case p.Name != "cursor" && (p.schema.Value.Format != "int32" || p.schema.Value.Max == nil):
		return fmt.Errorf("the parameter %s of pages must be an int32 with a maximum", p.Name)
	}
	return nil
}

// isText reports whether the type of a schema is the string type of each language.
func isText(ref *openapi3.SchemaRef) bool {
	return refName(ref) == "" && ref.Value.Type.Is("string") && ref.Value.Format == "" && ref.Value.Enum == nil
}

// param returns a parameter in the query or in a header, or nil.
func (op *operation) param(name string) *parameter {
	i := slices.IndexFunc(op.Params, func(p parameter) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &op.Params[i]
}

// Field returns the Go expression for a property of a page. Its value is zero if the page does not have it.
func (p pages) Field(name, zero string) string {
	properties, required := flatten(p.result)
	field := "found." + upperFirst(camel(name))
	if slices.Contains(required, name) && !properties[name].Value.Nullable {
		return field
	}
	return "orElse(" + field + ", " + zero + ")"
}

// Handwritten reports whether the method is written by hand.
func (op operation) Handwritten() bool { return op.Stream || op.Form }

// exampleOf returns the contract's example of a schema, or a value of its type.
func exampleOf(schema *openapi3.Schema) any {
	switch {
	case schema.Example != nil:
		return schema.Example
	case schema.Default != nil:
		return schema.Default
	case len(schema.Enum) > 0:
		return schema.Enum[0]
	case isObject(schema):
		object := map[string]any{}
		for _, p := range members(schema) {
			object[p.Name] = p.example
		}
		return object
	case schema.Type.Is("array"):
		return []any{exampleOf(schema.Items.Value)}
	case schema.Type.Is("boolean"):
		return true
	case schema.Type.Is("integer"), schema.Type.Is("number"):
		return 1
	}
	return exampleText(schema.Format)
}

func exampleText(format string) string {
	switch format {
	case "date":
		return time.DateOnly
	case "date-time":
		return "2006-01-02T15:04:05Z"
	}
	return "text"
}

// PagesMethod returns the name of the method that reads all pages, such as listAllFilms for listFilms.
func (op operation) PagesMethod() string {
	if rest, ok := strings.CutPrefix(op.ID, "list"); ok {
		return "listAll" + rest
	}
	return "all" + upperFirst(op.ID)
}

// HasRequired reports whether a parameter in the query or in a header is required.
func (op operation) HasRequired() bool {
	return len(op.Params) > 0 && op.Params[0].Required
}

// example is an operation with the contract's examples as its arguments, for the SDKs' tests.
type example struct {
	ID         string         `json:"id"`
	Method     string         `json:"method"`
	Path       string         `json:"path"`
	PathParams []any          `json:"path_params"`
	Params     map[string]any `json:"params"`
	Body       map[string]any `json:"body"`
	Pages      string         `json:"pages,omitempty"`
}

func (c contract) Examples() []example {
	var all []example
	for _, op := range c.Operations {
		e := example{ID: op.ID, Method: op.Method, Path: op.Path, PathParams: []any{}, Params: map[string]any{}, Body: map[string]any{}}
		for _, p := range op.PathParams {
			e.PathParams = append(e.PathParams, p.example)
		}
		for _, p := range op.Params {
			e.Params[p.Name] = p.example
		}
		for _, p := range op.Members {
			e.Body[p.Name] = p.example
		}
		if op.Pages != nil {
			e.Pages = op.PagesMethod()
		}
		all = append(all, e)
	}
	return all
}
