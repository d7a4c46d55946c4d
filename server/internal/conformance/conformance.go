// Package conformance checks the responses of a server against the OpenAPI contract. It is for tests and for
// development: it keeps each body in memory, and takes longer than the response itself.
package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"example.com/pagila-api/server/internal/contract"
)

// Response is a response that was checked against the contract.
type Response struct {
	Request   *http.Request
	Operation string // the operation's ID, or "" if the request belongs to no operation
	Status    int
	MediaType string // "" if there is no body
	Body      []byte
	Err       error // how the response deviates from the contract
}

// CheckResponses checks each response of next against the contract and reports it: the status, the
// headers, the media type and the body, including members that the contract does not name.
func CheckResponses(doc *openapi3.T, next http.Handler, report func(Response)) (http.Handler, error) {
	registerResponseDecoders()
	// The paths are those of this server, whichever other servers the contract lists.
	local := *doc
	local.Servers = nil
	router, err := gorillamux.NewRouter(&local)
	if err != nil {
		return nil, fmt.Errorf("route the contract's paths: %w", err)
	}
	c := checker{doc: doc, router: router, next: next, report: report}
	return http.HandlerFunc(c.serve), nil
}

var registerResponseDecoders = sync.OnceFunc(func() {
	// kin-openapi fails at a body of a media type for which it has no decoder.
	text := openapi3filter.RegisteredBodyDecoder("text/plain")
	for _, mediaType := range []string{"text/event-stream", "text/html", "text/css", "text/javascript", "image/png"} {
		openapi3filter.RegisterBodyDecoder(mediaType, text)
	}
})

type checker struct {
	doc    *openapi3.T
	router routers.Router
	next   http.Handler
	report func(Response)
}

func (c checker) serve(w http.ResponseWriter, r *http.Request) {
	tee := &teeWriter{ResponseWriter: w, status: http.StatusOK}
	aborted := serveUntilAbort(c.next, tee, r)
	if aborted {
		// The handler aborts a response that it cannot complete. What was sent until then still follows
		// the contract: plain text may end anywhere, and a stream of events ends with the event error.
		defer panic(http.ErrAbortHandler)
	}
	if r.Context().Err() != nil && !tee.complete() || aborted && tee.body.Len() == 0 {
		return // the client disconnected before it received the whole response, or the handler aborted before it sent a body
	}
	c.report(c.check(r, tee))
}

// serveUntilAbort serves a request and reports whether the handler aborted the response.
func serveUntilAbort(next http.Handler, w http.ResponseWriter, r *http.Request) (aborted bool) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler { //nolint:errorlint // it is this very value or another panic
			aborted = true
		} else if p != nil {
			panic(p)
		}
	}()
	next.ServeHTTP(w, r)
	return false
}

func (c checker) check(r *http.Request, sent *teeWriter) Response {
	get := r.Clone(context.Background())
	get.Method = contract.Method(r)
	response := Response{Request: r, Status: sent.status, Body: sent.body.Bytes()}
	if contentType := sent.Header().Get("Content-Type"); contentType != "" {
		response.MediaType, _, _ = mime.ParseMediaType(contentType) // checkResponse reports the error
	}
	route, params, err := c.router.FindRoute(get)
	if err != nil || route.Operation == nil || sent.status == http.StatusMethodNotAllowed {
		response.Err = checkUnrouted(c.doc, r, sent)
		return response
	}
	response.Operation = route.Operation.OperationID
	in := &openapi3filter.RequestValidationInput{Request: get, PathParams: params, Route: route}
	response.Err = checkResponse(in, sent, r.Method == http.MethodHead)
	return response
}

// checkResponse checks the response of an operation. The response to a HEAD request has no body.
func checkResponse(request *openapi3filter.RequestValidationInput, sent *teeWriter, head bool) error {
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request,
		Status:                 sent.status,
		Header:                 sent.Header(),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true, ExcludeResponseBody: head},
	}
	in.SetBodyBytes(sent.body.Bytes())
	if err := openapi3filter.ValidateResponse(context.Background(), in); err != nil {
		return err
	}
	response := request.Route.Operation.Responses.Status(sent.status).Value
	if err := checkHeaders(response, sent.Header()); err != nil {
		return err
	}
	return checkBody(request.Route.Spec, response, sent, head)
}

// httpHeaders belong to HTTP itself, so a contract does not list them. OpenAPI 3.0.3 even requires that
// Content-Type is ignored there.
var httpHeaders = []string{
	"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Allow", "Connection", "Content-Length",
	"Content-Type", "Date", "Vary",
}

// browserHeaders tell a browser what it may do with a response. No other client reads them.
var browserHeaders = []string{
	"Content-Security-Policy", "Cross-Origin-Resource-Policy", "Referrer-Policy", "X-Content-Type-Options",
}

func checkHeaders(response *openapi3.Response, header http.Header) error {
	documented := slices.Concat(httpHeaders, browserHeaders)
	for name := range response.Headers {
		documented = append(documented, http.CanonicalHeaderKey(name))
	}
	var others []string
	for name := range header {
		if !slices.Contains(documented, name) {
			others = append(others, name)
		}
	}
	if others == nil {
		return nil
	}
	slices.Sort(others)
	return fmt.Errorf("these headers are not documented: %s", strings.Join(others, ", "))
}

func checkBody(doc *openapi3.T, response *openapi3.Response, sent *teeWriter, head bool) error {
	contentType := sent.Header().Get("Content-Type")
	if len(response.Content) == 0 {
		if sent.body.Len() > 0 || contentType != "" {
			return errors.New("the response has a body")
		}
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("Content-Type: %w", err)
	}
	content := response.Content[mediaType]
	switch {
	case content == nil:
		return fmt.Errorf("the media type %s is not documented", mediaType)
	case head || content.Schema == nil:
		return nil
	case mediaType == "text/event-stream":
		return CheckEvents(doc, sent.body.String())
	case strings.HasSuffix(mediaType, "json"):
		// A problem document may quote a string with NUL that the client sent, which DecodeJSON refuses.
		if mediaType == "application/json" {
			if _, err := contract.DecodeJSON(sent.body.Bytes()); err != nil {
				return err
			}
		}
		return checkMembers(content.Schema.Value, sent.body.Bytes())
	default:
		return nil
	}
}

// mcpPath is the path of the endpoint for MCP clients, which is not an operation of the contract.
const mcpPath = "/mcp"

// checkUnrouted checks the response to a request that belongs to no operation.
func checkUnrouted(doc *openapi3.T, r *http.Request, sent *teeWriter) error {
	if contract.IsPreflight(r) && sent.status == http.StatusNoContent && sent.body.Len() == 0 {
		return nil // CORS is part of HTTP, not of the contract
	}
	// To the server an empty path parameter is an invalid value. To the router here it is another path.
	emptyParameter := sent.status == http.StatusBadRequest && strings.Contains(r.URL.Path, "//")
	forMCP := r.URL.Path == mcpPath && r.Method == http.MethodPost
	if !forMCP && !emptyParameter && sent.status != http.StatusNotFound && sent.status != http.StatusMethodNotAllowed {
		return fmt.Errorf("the contract has no operation for %s %s", r.Method, r.URL.Path)
	}
	if mediaType := sent.Header().Get("Content-Type"); mediaType != "application/problem+json" {
		if forMCP {
			return nil // the protocol describes it
		}
		return fmt.Errorf("the media type is %q", mediaType)
	}
	if r.Method == http.MethodHead {
		return nil
	}
	return CheckDocument(doc, "Problem", sent.body.Bytes())
}

// CheckDocument checks a JSON document against a component of the contract.
func CheckDocument(doc *openapi3.T, component string, document []byte) error {
	schema := doc.Components.Schemas[component].Value
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		return err
	}
	if err := schema.VisitJSON(value); err != nil {
		return err
	}
	return undocumented("#", value, []*openapi3.Schema{schema})
}

// checkMembers rejects members that the schema does not name. The contract leaves its responses open, so
// that clients tolerate members that are added later. This server may send only what the contract has.
func checkMembers(schema *openapi3.Schema, document []byte) error {
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		return err
	}
	return undocumented("#", value, []*openapi3.Schema{schema})
}

// undocumented finds a member of the value at a pointer that none of the schemas names.
func undocumented(pointer string, value any, schemas []*openapi3.Schema) error {
	for i := 0; i < len(schemas); i++ { // schemas grows in the loop
		for _, part := range schemas[i].AllOf {
			schemas = append(schemas, part.Value)
		}
	}
	switch value := value.(type) {
	case map[string]any:
		return undocumentedMember(pointer, value, schemas)
	case []any:
		return undocumentedInItems(pointer, value, schemas)
	default:
		return nil
	}
}

func undocumentedMember(pointer string, object map[string]any, schemas []*openapi3.Schema) error {
	free := !slices.ContainsFunc(schemas, func(s *openapi3.Schema) bool { return len(s.Properties) > 0 })
	for name, member := range object {
		var found []*openapi3.Schema
		for _, s := range schemas {
			if p := s.Properties[name]; p != nil {
				found = append(found, p.Value)
			}
		}
		if found == nil && !free {
			return fmt.Errorf("the member %s/%s is not documented", pointer, name)
		}
		if err := undocumented(pointer+"/"+name, member, found); err != nil {
			return err
		}
	}
	return nil
}

func undocumentedInItems(pointer string, items []any, schemas []*openapi3.Schema) error {
	var itemSchemas []*openapi3.Schema
	for _, s := range schemas {
		if s.Items != nil {
			itemSchemas = append(itemSchemas, s.Items.Value)
		}
	}
	for i, item := range items {
		if err := undocumented(fmt.Sprintf("%s/%d", pointer, i), item, slices.Clip(itemSchemas)); err != nil {
			return err
		}
	}
	return nil
}

// teeWriter keeps a copy of what is sent to the client.
type teeWriter struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (w *teeWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *teeWriter) Write(p []byte) (int, error) {
	w.body.Write(p)
	return w.ResponseWriter.Write(p)
}

// complete reports whether all that Content-Length announces was sent. A client can receive it, and disconnect, before the
// handler has ended.
func (w *teeWriter) complete() bool {
	return w.body.Len() > 0 && w.Header().Get("Content-Length") == strconv.Itoa(w.body.Len())
}

// Unwrap is for http.ResponseController.
func (w *teeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is for Gin, which requires an http.Flusher.
func (w *teeWriter) Flush() { w.ResponseWriter.(http.Flusher).Flush() }
