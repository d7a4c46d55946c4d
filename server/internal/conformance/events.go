package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// eventSchemas are the components that describe the data of each server-sent event.
var eventSchemas = map[string]string{"sources": "SourcesEvent", "delta": "DeltaEvent", "done": "DoneEvent", "error": "Problem"}

// CheckEvents checks a complete stream of server-sent events: the event sources, any number of deltas,
// and one event that ends the stream. Their IDs count from 1. Comments may come in between.
func CheckEvents(doc *openapi3.T, stream string) error {
	rest, complete := strings.CutSuffix(stream, "\n\n")
	if !complete {
		return fmt.Errorf("the last event does not end: %q", stream)
	}
	events := slices.DeleteFunc(strings.Split(rest, "\n\n"), func(e string) bool { return strings.HasPrefix(e, ":") })
	for i, text := range events {
		name, data, err := parseEvent(text, i+1)
		if err != nil {
			return err
		}
		if !mayBeAt(name, i, len(events)) {
			return fmt.Errorf("event %q is number %d of %d", name, i+1, len(events))
		}
		if err := CheckDocument(doc, eventSchemas[name], []byte(data)); err != nil {
			return fmt.Errorf("event %q: %w", name, err)
		}
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

// mayBeAt reports whether an event of this name may be the one with index i of n.
func mayBeAt(name string, i, n int) bool {
	switch first, last := i == 0, i == n-1; name {
	case "sources":
		return first
	case "delta":
		return !first && !last
	case "done", "error":
		return last
	default:
		return false
	}
}
