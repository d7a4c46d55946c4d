package upstreamtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// The heads of good responses, and the end of an event stream.
const (
	EventHead = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n"
	ChunkHead = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	LineHead  = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\n\r\n" // without events
	Done      = "data: [DONE]\n\n"
)

// Chunk is a chunk of a chunked body.
func Chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

// Event is an event with data.
func Event(data string) string { return "data: " + data + "\n\n" }

// Delta is an event with a chunk of text.
func Delta(text string) string {
	return Event(fmt.Sprintf(`{"model":"m-1","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}`, Quoted(text)))
}

// Thought is an event with a chunk of the model's thoughts.
func Thought(text string) string {
	return Event(fmt.Sprintf(`{"model":"m-1","choices":[{"index":0,"delta":{"reasoning_content":%s},"finish_reason":null}]}`, Quoted(text)))
}

// Finish is the event that ends an answer.
func Finish(reason string) string {
	return Event(fmt.Sprintf(`{"model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":%q}]}`, reason))
}

// UsageEvent is the event with the usage of an answer.
const UsageEvent = `data: {"model":"m-1","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":3}}` + "\n\n"

// Line is a chunk of text as a line of its own, which some servers send instead of events.
func Line(text string) string {
	return fmt.Sprintf(`{"model":"m-1","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}`+"\n", Quoted(text))
}

// LastLine is the line that ends an answer.
func LastLine(reason string) string {
	return fmt.Sprintf(`{"model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":%q}],"usage":{"prompt_tokens":11,"completion_tokens":3}}`+"\n", reason)
}

// Completion is a whole answer of OpenAI's.
func Completion(text, reason string) string {
	return fmt.Sprintf(`{"model":"m-1","choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":%q}],"usage":{"prompt_tokens":9,"completion_tokens":2}}`,
		Quoted(text), reason)
}

// Quoted is a string in JSON.
func Quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // cannot happen with a string
	}
	return string(b)
}

// Response is a response with a body in JSON, without a socket.
func Response(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader(body)),
	}
}

// Stream is a response with an event stream, without a socket.
func Stream(body io.Reader) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"text/event-stream"}},
		Body:       io.NopCloser(body),
	}
}

// Calls is an event with calls of tools. Each call is a name and its arguments in JSON.
func Calls(calls ...[2]string) string {
	list := make([]string, len(calls))
	for i, call := range calls {
		list[i] = fmt.Sprintf(`{"index":%d,"id":"call_%d","type":"function","function":{"name":%s,"arguments":%s}}`, i, i, Quoted(call[0]), Quoted(call[1]))
	}
	return Event(`{"model":"m-1","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[` + strings.Join(list, ",") + `]}}]}`)
}
