package upstream

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/tmc/langchaingo/llms"
)

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

// Tools reports whether tools may be offered to the model. That is so until the upstream refuses them. From
// then on, [Model.Generate] with tools fails at once, with [KindNoTools].
func (m *Model) Tools() bool {
	return m.doer == nil || !m.doer.accepted.get().without(optTools)
}

// noTools is the error of a call with tools if the upstream refuses them, because of the first error.
func noTools(first *Error) *Error {
	e := &Error{Kind: KindNoTools, Err: errors.New("the upstream refuses requests with tools")}
	if first != nil {
		e.Status, e.Code = first.Status, first.Code
	}
	return e
}

// offered are tools as the adapter wants them.
func offered(tools []Tool) []llms.Tool {
	out := make([]llms.Tool, len(tools))
	for i, t := range tools {
		out[i] = llms.Tool{Type: "function", Function: &llms.FunctionDefinition{Name: t.Name, Description: t.Description, Parameters: t.Parameters}}
	}
	return out
}

func toolNames(tools []Tool) []string {
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = t.Name
	}
	return names
}

// hasToolCalls reports whether some of the messages call tools.
func hasToolCalls(messages []llms.MessageContent) bool {
	return slices.ContainsFunc(messages, func(m llms.MessageContent) bool {
		return slices.ContainsFunc(m.Parts, func(p llms.ContentPart) bool {
			_, ok := p.(llms.ToolCall)
			return ok
		})
	})
}

// withoutCalls returns the messages of a request without tools. Many servers refuse such a request if its
// messages have calls of tools, and some models go on calling. So each result becomes a line of data, together
// with its call, in the message of the user before it.
func withoutCalls(messages []llms.MessageContent) []llms.MessageContent {
	if !hasToolCalls(messages) {
		return messages
	}
	var out []llms.MessageContent
	var results []string
	calls := map[string]llms.FunctionCall{} // by ID, which a later round may use again
	for _, m := range messages {
		said := llms.MessageContent{Role: m.Role}
		for _, p := range m.Parts {
			switch p := p.(type) {
			case llms.ToolCall:
				calls[p.ID] = *sendableCall(p).FunctionCall
			case llms.ToolCallResponse:
				results = append(results, resultLine(calls[p.ToolCallID], p.Content))
			default:
				said.Parts = append(said.Parts, p)
			}
		}
		if len(said.Parts) > 0 {
			out, results = append(withResults(out, results), said), nil
		}
	}
	return withResults(out, results)
}

// resultLine is the result of a call as one line of JSON. encoding/json writes no "<" in it, so it cannot close
// the block that it is in.
func resultLine(call llms.FunctionCall, result string) string {
	line := struct {
		Tool      string          `json:"tool,omitempty"`
		Arguments json.RawMessage `json:"arguments,omitempty"`
		Result    any             `json:"result"`
	}{call.Name, json.RawMessage(call.Arguments), result}
	if json.Valid([]byte(result)) {
		line.Result = json.RawMessage(result)
	}
	raw, err := json.Marshal(line)
	if err != nil {
		return "" // cannot happen, since all of it is valid
	}
	return string(raw)
}

// withResults adds results to the last message, or as a message of the user if the last one is another's.
func withResults(messages []llms.MessageContent, results []string) []llms.MessageContent {
	if len(results) == 0 {
		return messages
	}
	block := llms.TextContent{Text: resultsIntro + "\n<results>\n" + strings.Join(results, "\n") + "\n</results>"}
	last := len(messages) - 1
	if last < 0 || messages[last].Role != llms.ChatMessageTypeHuman {
		return append(messages, llms.MessageContent{Role: llms.ChatMessageTypeHuman, Parts: []llms.ContentPart{block}})
	}
	text := llms.TextContent{Text: MessageText(messages[last]) + "\n\n" + block.Text}
	messages[last].Parts = []llms.ContentPart{text}
	return messages
}

const resultsIntro = "The tools have returned these results, and cannot be called any more:"

// sendable are messages whose calls of tools any upstream accepts. A name with other characters, and arguments
// that are not an object, make many servers refuse the whole request.
func sendable(messages []llms.MessageContent) []llms.MessageContent {
	if !hasToolCalls(messages) {
		return messages
	}
	messages = slices.Clone(messages)
	for i := range messages {
		messages[i].Parts = slices.Clone(messages[i].Parts)
		for j, p := range messages[i].Parts {
			if call, ok := p.(llms.ToolCall); ok {
				messages[i].Parts[j] = sendableCall(call)
			}
		}
	}
	return messages
}

func sendableCall(call llms.ToolCall) llms.ToolCall {
	f := llms.FunctionCall{Name: "unknown", Arguments: "{}"}
	if call.FunctionCall != nil {
		if name := notInNames.ReplaceAllString(call.FunctionCall.Name, "_"); name != "" {
			f.Name = name[:min(len(name), maxToolName)]
		}
		if isObject([]byte(call.FunctionCall.Arguments)) {
			f.Arguments = call.FunctionCall.Arguments
		}
	}
	call.Type, call.FunctionCall = "function", &f
	return call
}

// What OpenAI allows in the name of a tool.
var notInNames = regexp.MustCompile(`[^A-Za-z0-9_-]`)

const maxToolName = 64

// localParts are the calls of a local model.
func localParts(calls []llms.ToolCall) []callPart {
	var parts []callPart
	for _, call := range calls {
		if call.FunctionCall != nil {
			parts = append(parts, callPart{id: call.ID, name: call.FunctionCall.Name, arguments: call.FunctionCall.Arguments})
		}
	}
	return parts
}
