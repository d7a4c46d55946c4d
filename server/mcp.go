package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"example.com/pagila-api/server/internal/contract"
	"example.com/pagila-api/store"
)

// mcpPath is the path of the endpoint for MCP clients. The contract describes operations of HTTP and not
// this endpoint, which describes itself.
const mcpPath = "/mcp"

// mcpOperation is the operation of a request to the endpoint, for the log.
var mcpOperation = &operation{Operation: &contract.Operation{ID: "mcp"}}

// maxMCPResult is the size in bytes at which a result for an MCP client is cut. Most clients warn about
// results that are much longer, or cut them themselves.
const maxMCPResult = 64 << 10

// maxMCPBatch is the largest number of messages in a batch, which the version 2025-03-26 of the protocol
// has. The results of a batch are in memory together.
const maxMCPBatch = 20

// mcpInstructions tell a client's model what the server is.
const mcpInstructions = `Pagila is the sample database of a DVD-rental chain. The tools read its catalogue (films, actors, categories, copies, stores and streaming plans) and run the counter of a shop: customers, rentals, returns, payments and subscriptions to streaming.

- Start with listFilms. It has all the filters, the orders and the text search. Its total is the number of films that match. To count films, ask for a page_size of 1.
- Titles and the names of actors are in capital letters. Case does not matter in a search, except in ratings.
- Money is a decimal string such as "0.99". Times are RFC 3339.
- A result that would be too long has fewer items. left_out says how many are missing.
- A refused call has a problem document (RFC 9457) that says what is wrong with each argument.
- The tools for customers, rentals, payments and subscriptions, and those that change data, need the bearer token of the API.
- Ask the user before you call a tool that changes data: createRental, returnRental, createSubscription, cancelSubscription and updateFilm. The same call may be repeated: if it was carried out before, the problem has the rental or the subscription.
- To change a film, pass the etag that getFilm returns in If-Match. Days are in UTC, such as 2026-11-26.`

// errOrigin means that a page of an origin that is not allowed sent the request.
var errOrigin = errors.New("the origin is not allowed")

// newMCP returns the handler of the endpoint.
func (s *Server) newMCP() (http.Handler, error) {
	info := s.deps.Contract.Info
	server := mcp.NewServer(
		&mcp.Implementation{Name: "pagila-api", Title: info.Title, Version: info.Version},
		&mcp.ServerOptions{Instructions: mcpInstructions, Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}}},
	)
	for _, t := range s.tools {
		described, err := t.describe()
		if err != nil {
			return nil, err
		}
		server.AddTool(described, func(ctx context.Context, request *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return s.callMCPTool(ctx, t, request.Params.Arguments)
		})
	}
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{
		Stateless:    true,
		JSONResponse: true, // a call has one response
		// allowsOrigin does that, and knows about proxies on the same machine.
		DisableLocalhostProtection: true,
	}), nil
}

// describe describes the tool for MCP clients. It fails if a client could not use the description.
func (t *tool) describe() (*mcp.Tool, error) {
	reads := t.Method == http.MethodGet
	described := &mcp.Tool{
		Name: t.Name, Title: t.Spec().Summary, Description: t.Description, InputSchema: t.Parameters,
		Annotations: &mcp.ToolAnnotations{
			Title:           t.Spec().Summary,
			ReadOnlyHint:    reads,
			DestructiveHint: new(!reads && !t.Documents(http.StatusCreated)), // it changes what is there
			IdempotentHint:  reads || t.IsRepeatable(),
			OpenWorldHint:   new(false),
		},
	}
	if t.result == nil {
		return described, nil
	}
	members, ok := t.result["properties"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("tool %s: its result is not an object", t.Name)
	}
	members[leftOut] = leftOutSchema
	output, err := json.Marshal(t.result)
	if err != nil {
		return nil, fmt.Errorf("tool %s: write the schema of its result: %w", t.Name, err)
	}
	described.OutputSchema = json.RawMessage(output)
	return described, nil
}

// callMCPTool calls a tool for a request to the endpoint, with the token of that request. What the
// operation refuses, and what fails, is a result with the problem document, so that the client's model
// can read it.
func (s *Server) callMCPTool(ctx context.Context, t *tool, arguments json.RawMessage) (*mcp.CallToolResult, error) {
	caller := callOf(ctx)
	// The context has the values of the request's own context, but does not always end with it.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(caller.request.Context(), cancel)()
	if s.bookmarks != nil { // clients of MCP keep no cookies
		ctx = store.WithBookmark(ctx, new(store.Newest))
	}
	response, err := s.callTool(ctx, caller, t, arguments, caller.request.Header["Authorization"])
	if ctx.Err() != nil {
		return nil, ctx.Err() // nobody waits for the result
	}
	if err != nil && response.status < http.StatusInternalServerError { // it broke off before it had a response
		response = refusal(caller, err)
	}
	body, err := cut(response.body.Bytes(), maxMCPResult)
	if err != nil {
		response = refusal(caller, err)
		s.logFailure(caller, problemOf(err), err)
		body = response.body.Bytes()
	}
	result := &mcp.CallToolResult{
		Content: []mcp.Content{&mcp.TextContent{Text: string(body)}},
		IsError: response.status >= http.StatusBadRequest,
	}
	if !result.IsError && t.result != nil { // a client compares structured content with the schema of a success
		result.StructuredContent = json.RawMessage(body)
	}
	return result, nil
}

// serveMCP serves the endpoint. What is wrong with a request before it is one of MCP has a problem
// document; everything else is up to the protocol.
func (s *Server) serveMCP(c *gin.Context) {
	callOf(c.Request.Context()).operation = mcpOperation
	if !s.allowsOrigin(c.Request) {
		s.onError(c, errOrigin)
		return
	}
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		s.onError(c, contract.UnreadBody(err))
		return
	}
	if messages := batchSize(body); messages > maxMCPBatch {
		s.onError(c, contract.Invalid(contract.Place{Pointer: "#", Detail: fmt.Sprintf("the batch has %d messages, at most %d are allowed", messages, maxMCPBatch)}))
		return
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	w := &mcpWriter{ResponseWriter: c.Writer}
	s.mcp.ServeHTTP(w, c.Request)
	if err := w.refusal(); err != nil {
		w.Header().Del("Content-Type")
		s.onError(c, err)
	}
}

// mcpWriter holds back the responses of the SDK that are plain text: what it refuses before the protocol begins.
type mcpWriter struct {
	gin.ResponseWriter
	status int // of the response that is held back, or 0
	text   strings.Builder
}

// WriteHeader begins a response.
func (w *mcpWriter) WriteHeader(status int) {
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		w.status = status
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write continues a response. The SDK writes JSON at once, but does not say how long it is.
func (w *mcpWriter) Write(p []byte) (int, error) {
	if w.status != 0 {
		return w.text.Write(p)
	}
	if !w.Written() && w.Header().Get("Content-Type") == "application/json" {
		w.Header().Set("Content-Length", strconv.Itoa(len(p)))
	}
	return w.ResponseWriter.Write(p)
}

// maxRefusal bounds the text of a refusal in bytes. Some texts quote the request.
const maxRefusal = 200

// refusal returns the error that the response stands for, or nil.
func (w *mcpWriter) refusal() error {
	text := strings.TrimPrefix(strings.TrimSpace(w.text.String()), "Bad Request: ")
	switch w.status {
	case 0:
		return nil
	case http.StatusUnsupportedMediaType:
		return contract.ErrMediaType
	case http.StatusBadRequest:
		if strings.HasPrefix(text, "malformed payload") { // the rest quotes the body
			text = "the body is neither a message of JSON-RPC 2.0 nor a batch of messages"
		}
		return contract.Invalid(contract.Place{Detail: shorten(text, maxRefusal)})
	default:
		return fmt.Errorf("the SDK of MCP responds with %d: %s", w.status, text)
	}
}

// batchSize returns the number of messages in a batch, or 0 if the body is none.
func batchSize(body []byte) int {
	var batch []json.RawMessage
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) || json.Unmarshal(body, &batch) != nil {
		return 0 // the protocol has its own errors for that
	}
	return len(batch)
}

// allowsOrigin reports whether a request comes from a page that may use the endpoint, or from no page. A
// page may have any name that its owner makes point to this machine (DNS rebinding). So a page of the
// server's own origin may only use it if a browser cannot have been misled about the server's name: it is
// an address or localhost, or a trusted proxy has checked it.
func (s *Server) allowsOrigin(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	switch {
	case len(origins) == 0:
		return true
	case len(origins) > 1:
		return false
	case slices.ContainsFunc(s.origins, func(allowed string) bool { return allowed == anyOrigin || allowed == origins[0] }):
		return true
	}
	u, err := url.Parse(origins[0])
	return err == nil && strings.EqualFold(u.Host, r.Host) && u.Host != "" && (isFixed(u.Hostname()) || s.proxies.sent(r))
}

// isFixed reports whether nobody can make a host name point elsewhere.
func isFixed(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost"
}
