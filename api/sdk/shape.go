package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
)

// shapes returns the shape of each response, so that all three SDKs reject the same ones. The keys are the
// operation's id and the status, the event's name, or the name of a member of problem documents that is an object
// with a schema of its own.
//
// A shape is the part of a schema that decides whether a value can be used: the types, and which members
// are required. It is written in JSON, which is valid TypeScript and Python:
//
//	{"film_id": "int32", "category?": "string", "return_date": "date-time|null", "actors": [{…}]}
//
// Enums and bounds are omitted, because a newer server may extend them. A response without a body has the shape
// "none".
func shapes(doc *openapi3.T, operations []operation) (map[string]any, error) {
	all := map[string]any{}
	for _, op := range operations {
		if err := collect(all, doc, op); err != nil {
			return nil, fmt.Errorf("the operation %s: %w", op.ID, err)
		}
	}
	return all, collectProblem(all, doc.Components.Schemas["Problem"])
}

// collectProblem adds the shapes of the members of problem documents that the SDKs check. They read the others
// leniently.
func collectProblem(all map[string]any, problem *openapi3.SchemaRef) error {
	if problem == nil {
		return nil
	}
	for name, property := range problem.Value.Properties {
		if refName(property) == "" || !isObject(property.Value) {
			continue
		}
		shape, err := shape(property.Value)
		if err != nil {
			return fmt.Errorf("the property %s of a problem: %w", name, err)
		}
		all["problem "+name] = shape
	}
	return nil
}

// collect adds the shapes of an operation's JSON and of its events.
func collect(all map[string]any, doc *openapi3.T, op operation) error {
	for status, response := range op.source.Responses.Map() {
		code, err := strconv.Atoi(status)
		if err != nil || code/100 != 2 {
			continue
		}
		content := response.Value.Content
		if media := content.Get("text/event-stream"); media != nil {
			if err := collectEvents(all, doc.Components.Schemas, media); err != nil {
				return err
			}
		} else if media := content.Get("application/json"); media != nil {
			if all[op.ID+" "+status], err = shape(media.Schema.Value); err != nil {
				return err
			}
		} else if len(content) == 0 && !op.Stream {
			all[op.ID+" "+status] = "none"
		}
	}
	return nil
}

// collectEvents adds the shapes of a stream's events. The event error has none, because its data is a problem
// document, which the SDKs read leniently.
func collectEvents(all map[string]any, schemas openapi3.Schemas, media *openapi3.MediaType) error {
	document, err := json.Marshal(media.Extensions["x-event-data"])
	if err != nil {
		return fmt.Errorf("encode the events: %w", err)
	}
	var events map[string]*openapi3.SchemaRef
	if err := json.Unmarshal(document, &events); err != nil {
		return fmt.Errorf("decode the events: %w", err)
	}
	delete(events, "error")
	for event, ref := range events {
		schema := schemas[refName(ref)]
		if schema == nil {
			return fmt.Errorf("the event %s has no schema", event)
		}
		shape, err := shape(schema.Value)
		if err != nil {
			return fmt.Errorf("the event %s: %w", event, err)
		}
		all["event "+event] = shape
	}
	return nil
}

func shape(schema *openapi3.Schema) (any, error) {
	switch {
	case isObject(schema):
		members := map[string]any{}
		return members, addMembers(members, schema)
	case schema.Type.Is("array"):
		item, err := shape(schema.Items.Value)
		return []any{item}, err
	case len(schema.Type.Slice()) != 1:
		return nil, errors.New("it has no type that the SDKs can check")
	}
	name := schema.Type.Slice()[0]
	switch schema.Format {
	case "int32", "date", "date-time":
		name = schema.Format
	}
	if schema.Nullable {
		name += "|null"
	}
	return name, nil
}

func addMembers(members map[string]any, schema *openapi3.Schema) error {
	for _, part := range schema.AllOf {
		if err := addMembers(members, part.Value); err != nil {
			return err
		}
	}
	for name, property := range schema.Properties {
		shape, err := shape(property.Value)
		if err != nil {
			return fmt.Errorf("the property %s: %w", name, err)
		}
		if !slices.Contains(schema.Required, name) {
			name += "?"
		}
		members[name] = shape
	}
	return nil
}
