package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

func init() {
	// To kin-openapi a body of a media type that it does not know is an error.
	text := openapi3filter.RegisteredBodyDecoder("text/plain")
	for _, mediaType := range []string{"text/event-stream", "text/html", "text/css", "text/javascript", "image/png"} {
		openapi3filter.RegisterBodyDecoder(mediaType, text)
	}
}

// Answer is an answer that was held against the contract.
type Answer struct {
	Request   *http.Request
	Operation string // "" where the request is no operation's
	Status    int
	MediaType string // "" where there is no body
	Body      []byte
	Err       error // what is not in the contract; nil where all is
}

// CheckAnswers holds each answer of a server against the contract: its status, headers, media type and
// body, down to members that the contract does not name, and tells judge. It is for tests and for
// development: it keeps each body, and takes longer than the answer itself.
func CheckAnswers(contract *openapi3.T, next http.Handler, judge func(Answer)) (http.Handler, error) {
	// The paths are those of this server, wherever else the contract says that it can be reached.
	local := *contract
	local.Servers = nil
	router, err := gorillamux.NewRouter(&local)
	if err != nil {
		return nil, fmt.Errorf("route the contract's paths: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tee := &teeWriter{ResponseWriter: w, status: http.StatusOK}
		aborted := serveUntilAbort(next, tee, r)
		if aborted {
			// Broken off, as it has to be, but what came of it follows the contract: a plain text may end
			// anywhere, a stream of events with the event error.
			defer panic(http.ErrAbortHandler)
		}
		if r.Context().Err() != nil || aborted && tee.body.Len() == 0 {
			return // the client has left: nobody has this answer
		}
		get := r.Clone(context.Background())
		if r.Method == http.MethodHead {
			get.Method = http.MethodGet
		}
		answer := Answer{Request: r, Status: tee.status, Body: tee.body.Bytes()}
		if tee.Header().Get("Content-Type") != "" {
			answer.MediaType, _, _ = mime.ParseMediaType(tee.Header().Get("Content-Type")) // checkResponse says what is wrong
		}
		route, params, err := router.FindRoute(get)
		if err != nil || route.Operation == nil || tee.status == http.StatusMethodNotAllowed {
			answer.Err = checkStray(contract, r, tee)
		} else {
			answer.Operation = route.Operation.OperationID
			answer.Err = checkResponse(route, params, get, tee, r.Method == http.MethodHead)
		}
		judge(answer)
	}), nil
}

// plainHeaders are HTTP's own, which a contract does not list (OpenAPI 3.0.3 even has Content-Type
// ignored there).
var plainHeaders = []string{
	"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Allow", "Connection", "Content-Length",
	"Content-Type", "Date", "Vary",
}

// serveUntilAbort serves a request, and says whether the answer was broken off.
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

// checkResponse checks the response of an operation. The body of HEAD's is not there.
func checkResponse(route *routers.Route, params map[string]string, r *http.Request, got *teeWriter, head bool) error {
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 got.status,
		Header:                 got.Header(),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true, ExcludeResponseBody: head},
	}
	in.SetBodyBytes(got.body.Bytes())
	if err := openapi3filter.ValidateResponse(context.Background(), in); err != nil {
		return err
	}
	response := route.Operation.Responses.Status(got.status).Value
	documented := slices.Clone(plainHeaders)
	for name := range response.Headers {
		documented = append(documented, http.CanonicalHeaderKey(name))
	}
	for name := range got.Header() {
		if !slices.Contains(documented, name) {
			return fmt.Errorf("the header %s is not documented", name)
		}
	}
	if len(response.Content) == 0 {
		if got.body.Len() > 0 || got.Header().Get("Content-Type") != "" {
			return errors.New("the answer has a body")
		}
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(got.Header().Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("Content-Type: %w", err)
	}
	content := response.Content[mediaType]
	if content == nil {
		return fmt.Errorf("the media type %s is not documented", mediaType)
	}
	if head || content.Schema == nil {
		return nil
	}
	if mediaType == "text/event-stream" {
		return checkEvents(route.Spec, got.body.String())
	}
	if strings.HasSuffix(mediaType, "json") {
		return checkMembers(content.Schema.Value, got.body.Bytes())
	}
	return nil
}

// checkStray checks the answer to a request that is no operation's.
func checkStray(contract *openapi3.T, r *http.Request, got *teeWriter) error {
	if isPreflight(r) && got.status == http.StatusNoContent && got.body.Len() == 0 {
		return nil // HTTP's own, as browsers do it
	}
	// To the server an empty parameter is one of a bad value, to the router here another path.
	emptyParameter := got.status == http.StatusBadRequest && strings.Contains(r.URL.Path, "//")
	if !emptyParameter && got.status != http.StatusNotFound && got.status != http.StatusMethodNotAllowed {
		return fmt.Errorf("no operation is at %s %s", r.Method, r.URL.Path)
	}
	if mediaType := got.Header().Get("Content-Type"); mediaType != "application/problem+json" {
		return fmt.Errorf("the media type is %q", mediaType)
	}
	if r.Method == http.MethodHead {
		return nil
	}
	return checkDocument(contract, "Problem", got.body.Bytes())
}

// checkDocument checks a JSON document against a component of the contract.
func checkDocument(contract *openapi3.T, component string, document []byte) error {
	schema := contract.Components.Schemas[component].Value
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		return err
	}
	if err := schema.VisitJSON(value); err != nil {
		return err
	}
	return checkMembers(schema, document)
}

// checkMembers refuses members that the schema does not name. The contract leaves its responses
// open, so that clients bear members to come; what this server sends has to be written there.
func checkMembers(schema *openapi3.Schema, document []byte) error {
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		return err
	}
	return unnamed("#", value, schema)
}

func unnamed(at string, value any, schemas ...*openapi3.Schema) error {
	for i := 0; i < len(schemas); i++ { // it grows
		for _, part := range schemas[i].AllOf {
			schemas = append(schemas, part.Value)
		}
	}
	switch value := value.(type) {
	case map[string]any:
		free := !slices.ContainsFunc(schemas, func(s *openapi3.Schema) bool { return len(s.Properties) > 0 })
		for name, member := range value {
			var found []*openapi3.Schema
			for _, s := range schemas {
				if p := s.Properties[name]; p != nil {
					found = append(found, p.Value)
				}
			}
			if found == nil && !free {
				return fmt.Errorf("the member %s/%s is not documented", at, name)
			}
			if err := unnamed(at+"/"+name, member, found...); err != nil {
				return err
			}
		}
	case []any:
		for i, item := range value {
			for _, s := range schemas {
				if s.Items == nil {
					continue
				}
				if err := unnamed(fmt.Sprintf("%s/%d", at, i), item, s.Items.Value); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// eventSchemas are the components that the data of each server-sent event follows.
var eventSchemas = map[string]string{"sources": "SourcesEvent", "delta": "DeltaEvent", "done": "DoneEvent", "error": "Problem"}

// checkEvents checks a whole stream of server-sent events: the sources, deltas, and one event that
// ends it, counted from 1. Comments may stand between.
func checkEvents(contract *openapi3.T, stream string) error {
	rest, whole := strings.CutSuffix(stream, "\n\n")
	if !whole {
		return fmt.Errorf("the last event does not end: %q", stream)
	}
	events := slices.DeleteFunc(strings.Split(rest, "\n\n"), func(e string) bool { return strings.HasPrefix(e, ":") })
	for i, e := range events {
		lines := strings.Split(e, "\n")
		if len(lines) != 3 || lines[0] != fmt.Sprintf("id: %d", i+1) {
			return fmt.Errorf("this is not event %d: %q", i+1, e)
		}
		name, isEvent := strings.CutPrefix(lines[1], "event: ")
		data, hasData := strings.CutPrefix(lines[2], "data: ")
		if !isEvent || !hasData {
			return fmt.Errorf("this is no event with data: %q", e)
		}
		switch first, last := i == 0, i == len(events)-1; {
		case name == "sources" && first, name == "delta" && !first && !last, (name == "done" || name == "error") && last:
		default:
			return fmt.Errorf("event %q is at place %d of %d", name, i+1, len(events))
		}
		if err := checkDocument(contract, eventSchemas[name], []byte(data)); err != nil {
			return fmt.Errorf("event %q: %w", name, err)
		}
	}
	return nil
}

// teeWriter keeps a copy of what goes to the client.
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

func (w *teeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is what Gin asks for by name.
func (w *teeWriter) Flush() { w.ResponseWriter.(http.Flusher).Flush() }
