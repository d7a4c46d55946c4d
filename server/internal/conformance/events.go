package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// eventSchemas are the components that describe the data of each server-sent event.
var eventSchemas = map[string]string{
	"tool": "ToolEvent", "sources": "SourcesEvent", "delta": "DeltaEvent", "done": "DoneEvent", "error": "Problem",
}

// follows has the events that may come after each event, and after the beginning of a stream.
var follows = map[string][]string{
	"":        {"tool", "sources", "error"},
	"tool":    {"tool", "sources", "error"},
	"sources": {"delta", "error"},
	"delta":   {"delta", "tool", "done", "error"},
}

// CheckEvents checks a complete stream of server-sent events: any number of calls of tools, the event sources and
// deltas, perhaps the same again, and one event that ends the stream. Their IDs count from 1. Comments may come in between.
func CheckEvents(doc *openapi3.T, stream string) error {
	rest, complete := strings.CutSuffix(stream, "\n\n")
	if !complete {
		return fmt.Errorf("the last event does not end: %q", stream)
	}
	events := slices.DeleteFunc(strings.Split(rest, "\n\n"), func(e string) bool { return strings.HasPrefix(e, ":") })
	last := ""
	for i, text := range events {
		name, data, err := parseEvent(text, i+1)
		if err != nil {
			return err
		}
		if !slices.Contains(follows[last], name) {
			return fmt.Errorf("event %q comes after %q", name, last)
		}
		last = name
		if err := CheckDocument(doc, eventSchemas[name], []byte(data)); err != nil {
			return fmt.Errorf("event %q: %w", name, err)
		}
	}
	if follows[last] != nil {
		return fmt.Errorf("the stream ends with the event %q", last)
	}
	return nil
}

func parseEvent(text string, id int) (name, data string, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 3 || lines[0] != fmt.Sprintf("id: %d", id) {
		return "", "", fmt.Errorf("this is not event %d: %q", id, text)
	}
	name, hasName := strings.CutPrefix(lines[1], "event: ")
	data, hasData := strings.CutPrefix(lines[2], "data: ")
	if !hasName || !hasData {
		return "", "", fmt.Errorf("this event has no name or no data: %q", text)
	}
	return name, data, nil
}
