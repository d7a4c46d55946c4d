package llm

import (
	"context"
	"encoding/json"

	"example.com/pagila-api/llm/upstream"
)

// Tool is an operation that a model may call to look something up.
type Tool = upstream.Tool

// Tools are the operations that a model may call. The server implements them.
type Tools interface {
	// List returns the tools in a fixed order.
	List() []Tool
	// Call calls a tool with arguments, a JSON object. A call that is refused, for example because of its
	// arguments or because there is no such tool, has a result that says so, and the model can correct it.
	// An error means that the question cannot be answered, for example because the database is down.
	Call(ctx context.Context, name string, arguments json.RawMessage) (ToolResult, error)
}

// ToolResult is what a call of a tool returned.
type ToolResult struct {
	Status int             // of HTTP
	Body   json.RawMessage // the response, or a problem document. It may have been cut, and says so.
	Films  []Source        // the films in Body, in their order
	Total  int64           // the number of films that were found. Body may have only the first of them.
}
