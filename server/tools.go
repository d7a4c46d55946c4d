package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"example.com/pagila-api/llm"
	"example.com/pagila-api/server/internal/contract"
)

// A tool is an operation that the contract marks (x-tool). A call of a tool is a request to this server's
// own handler, in process, so it is validated, authenticated, limited, logged and refused as any other.

// maxModelResult is the size in bytes at which a result for the language model is cut. It has room for
// nearly every page of 20 of Pagila's films, and small models can read two of them.
const maxModelResult = 8 << 10

// tool is an operation as a tool.
type tool struct {
	*operation
	llm.Tool
	result contract.Schema // of its result, or nil
	films  bool            // the member total of the result counts films
}

// reads reports whether the tool only reads, and only what everyone may read.
func (t *tool) reads() bool { return t.Method == http.MethodGet && !t.Secured }

// tools are the tools in the order of their names.
type tools []*tool

func newTools(table map[endpoint]*operation, all []*contract.Operation) (tools, error) {
	var made tools
	for _, op := range all {
		if !op.IsTool() {
			continue
		}
		schema, err := op.Arguments()
		if err != nil {
			return nil, err
		}
		parameters, err := json.Marshal(schema)
		if err != nil {
			return nil, fmt.Errorf("write the arguments of %s: %w", op.ID, err)
		}
		made = append(made, &tool{
			operation: table[newEndpoint(op)],
			Tool:      llm.Tool{Name: op.ID, Description: toolDescription(op), Parameters: parameters},
			result:    op.Result(),
			films:     op.ListsObjects("film_id", "title"),
		})
	}
	return made, nil
}

func toolDescription(op *contract.Operation) string {
	summary := op.Spec().Summary
	if !strings.HasSuffix(summary, "?") {
		summary += "."
	}
	return strings.TrimSpace(summary + "\n\n" + op.Spec().Description)
}

// readers returns the tools that read, as a language model knows them.
func (all tools) readers() []llm.Tool {
	var list []llm.Tool
	for _, t := range all {
		if t.reads() {
			list = append(list, t.Tool)
		}
	}
	return list
}

// find returns the tool with this name, or nil.
func (all tools) find(name string) *tool {
	for _, t := range all {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// noToolError means that there is no tool with this name.
type noToolError struct{ name string }

func (e *noToolError) Error() string { return fmt.Sprintf("no such tool: %q", e.name) }

// modelTools are the tools that the language model may call: those that read.
type modelTools struct {
	server *Server
	caller *call // the request that asks the model
}

// modelTools returns the tools for the request of a context.
func (s *Server) modelTools(ctx context.Context) llm.Tools { return modelTools{s, callOf(ctx)} }

// List returns the tools in the order of their names.
func (m modelTools) List() []llm.Tool { return m.server.readers }

// Call calls a tool. The error of a call that failed because of the server has the same problem as that
// of the operation.
func (m modelTools) Call(ctx context.Context, name string, arguments json.RawMessage) (llm.ToolResult, error) {
	t := m.server.tools.find(name)
	if t == nil || !t.reads() {
		refused := refusal(m.caller, &noToolError{name})
		return llm.ToolResult{Status: refused.status, Body: refused.body.Bytes()}, nil
	}
	response, err := m.server.callTool(ctx, m.caller, t, arguments, nil)
	if err != nil {
		return llm.ToolResult{}, fmt.Errorf("tool %s: %w", name, err)
	}
	body, err := cut(response.body.Bytes(), maxModelResult)
	if err != nil {
		return llm.ToolResult{}, fmt.Errorf("tool %s: %w", name, err)
	}
	films := filmsIn(body)
	return llm.ToolResult{Status: response.status, Body: body, Films: films, Total: t.total(response.body.Bytes(), body, films)}, nil
}

// total returns the number of films in a result, from which a part with some of the films was cut.
func (t *tool) total(result, part []byte, films []llm.Source) int64 {
	if total, ok := totalOf(result); ok && t.films {
		return total
	}
	if len(part) < len(result) {
		films = filmsIn(result)
	}
	return int64(len(films))
}

// callTool calls a tool for another request, with its request ID and its client, within the context, and
// with these values of the header Authorization. A call that the operation refuses has a response. The
// error of a call that failed because of the server is that of the operation; there is a response then,
// too, unless the context is done.
func (s *Server) callTool(ctx context.Context, caller *call, t *tool, arguments json.RawMessage, authorization []string) (response *toolResponse, err error) {
	// Otherwise the two would hold two slots of admission control, and could wait for each other.
	caller.doneWithDatabase()
	ctx, span := startToolSpan(ctx, t.Name)
	defer func() { endToolSpan(span, response) }()
	r, err := t.NewRequest(ctx, arguments)
	if err != nil {
		response = refusal(caller, err)
		refused := &call{request: caller.request, id: caller.id, arrival: time.Now(), operation: t.operation, tool: &toolCall{}}
		refused.outcome = string(problemOf(err).Code)
		s.finish(refused, response.status, response.body.Len())
		return response, nil
	}
	r.Host, r.RemoteAddr = caller.request.Host, caller.request.RemoteAddr
	for _, name := range []string{"User-Agent", "X-Forwarded-For"} {
		r.Header[name] = caller.request.Header[name]
	}
	r.Header["Authorization"] = authorization
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Request-Id", caller.id.request)
	return s.serveTool(r)
}

// serveTool serves the request of a tool.
func (s *Server) serveTool(r *http.Request) (response *toolResponse, err error) {
	served := &toolCall{}
	response = &toolResponse{header: http.Header{}}
	defer func() {
		p := recover() // net/http would recover it from another request
		switch {
		case r.Context().Err() != nil:
			err = context.Cause(r.Context())
		case p != nil:
			err = cmp.Or(served.failure, error(&panicError{value: p, stack: debug.Stack()}))
		case response.status >= http.StatusInternalServerError:
			err = served.failure
		}
	}()
	s.engine.ServeHTTP(response, r.WithContext(context.WithValue(r.Context(), toolCallKey{}, served)))
	return response, nil
}

// toolCall is what the middleware knows about the call of a tool. Other requests have none.
type toolCall struct {
	failure error // why the request was refused or failed
}

type toolCallKey struct{}

// toolCallOf returns the call of a tool that a request belongs to, or nil.
func toolCallOf(ctx context.Context) *toolCall {
	t, _ := ctx.Value(toolCallKey{}).(*toolCall)
	return t
}

// toolResponse is the response to the call of a tool.
type toolResponse struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// refusal is the response to a call that does not become a request.
func refusal(caller *call, err error) *toolResponse {
	p := problemOf(err)
	response := &toolResponse{status: int(p.Status)}
	response.body.Write(p.document(caller))
	return response
}

// Header returns the headers of the response.
func (w *toolResponse) Header() http.Header { return w.header }

// WriteHeader sets the status.
func (w *toolResponse) WriteHeader(status int) { w.status = cmp.Or(w.status, status) }

// Write adds to the body.
func (w *toolResponse) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush is for Gin, which requires an http.Flusher.
func (w *toolResponse) Flush() {}
