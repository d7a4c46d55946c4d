package upstream

import "encoding/json"

// Tool is a function that a model may call before it answers.
type Tool struct {
	Name        string
	Description string
	Parameters  json.RawMessage // a JSON Schema of an object
}

// ToolCall is a model's call of a tool. Nothing in it can be trusted.
type ToolCall struct {
	ID   string // never empty, and different from the others of an answer
	Name string // there may be no such tool
	// Arguments are a JSON object, or else what the model wrote in its place.
	Arguments json.RawMessage
}
