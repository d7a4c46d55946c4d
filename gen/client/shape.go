package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// loadShapes parses the shapes of the responses, events and members of problem documents. The package api/sdk
// documents their keys and their format.
var loadShapes = sync.OnceValue(func() map[string]any {
	var shapes map[string]any
	if err := json.Unmarshal([]byte(shapesJSON), &shapes); err != nil {
		panic(err) // cannot happen, because the generator writes JSON
	}
	return shapes
})

// noBody is the shape of a response without a body.
const noBody = "none"

// shape returns the shape of a response with this status. It is nil if the contract does not have that
// status for the operation.
func (e exchange) shape(status int) any {
	return loadShapes()[e.operation+" "+strconv.Itoa(status)]
}

// isExpected reports whether the contract has the status and the media type of a response. An HTML page does
// not come from the server, whatever its status.
func (e exchange) isExpected(response *http.Response) bool {
	if e.result == nil {
		return response.StatusCode == http.StatusOK && mediaType(response) == e.accept
	}
	shape := e.shape(response.StatusCode)
	return shape != nil && (shape == noBody || mediaType(response) == mediaJSON)
}

// read decodes a document into the result. It returns false if the document does not have the contract's
// shape.
func (e exchange) read(status int, document []byte) bool {
	return decode(document, e.shape(status), e.result)
}

func decode(document []byte, shape, result any) bool {
	return shape == noBody || checkJSON(document, shape) == nil && json.Unmarshal(document, result) == nil
}

// checkJSON returns an error if a document is not JSON or does not have the shape.
func checkJSON(document []byte, shape any) error {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is data after the JSON")
	}
	return check(value, shape, "#")
}

// check returns an error with the pointer to the first value that does not have its shape. at is the pointer
// to value.
func check(value, shape any, at string) error {
	ok := true
	switch shape := shape.(type) {
	case map[string]any:
		var members map[string]any
		if members, ok = value.(map[string]any); ok {
			return checkMembers(members, shape, at)
		}
	case []any:
		var items []any
		if items, ok = value.([]any); ok {
			for i, item := range items {
				if err := check(item, shape[0], fmt.Sprintf("%s/%d", at, i)); err != nil {
					return err
				}
			}
		}
	case string:
		ok = isScalar(value, shape)
	}
	if !ok {
		return fmt.Errorf("%s does not have the contract's type", at)
	}
	return nil
}

func checkMembers(members, shape map[string]any, at string) error {
	for name, of := range shape {
		name, optional := strings.CutSuffix(name, "?")
		if optional && members[name] == nil {
			continue
		}
		if _, ok := members[name]; !ok {
			return fmt.Errorf("%s/%s is missing", at, name)
		}
		if err := check(members[name], of, at+"/"+name); err != nil {
			return err
		}
	}
	return nil
}

// formats are the patterns of strings with a format.
var formats = map[string]*regexp.Regexp{
	"date":      regexp.MustCompile(`^\d{4}-\d\d-\d\d$`),
	"date-time": regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`),
}

func isScalar(value any, kind string) bool {
	kind, nullable := strings.CutSuffix(kind, "|null")
	switch value := value.(type) {
	case nil:
		return nullable
	case bool:
		return kind == "boolean"
	case string:
		format := formats[kind]
		return kind == "string" || format != nil && format.MatchString(value)
	case json.Number:
		if kind == "number" {
			_, err := value.Float64()
			return err == nil
		}
		n, err := value.Int64()
		return err == nil && (kind == "integer" || kind == "int32" && n >= math.MinInt32 && n <= math.MaxInt32)
	}
	return false
}
