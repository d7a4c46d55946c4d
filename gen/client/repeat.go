package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
)

// repeat describes how the server responds to a request that it carried out before: with 409, this code, and the
// result in this member of the problem document. The code is empty if the operation must not be repeated.
type repeat struct {
	code   ProblemCode
	member string
}

// readRepeated reads the result from the response to a repeated request that was carried out before. It returns false
// for any other error.
func (e exchange) readRepeated(err error) bool {
	problem, ok := errors.AsType[*ProblemError](err)
	if !ok || problem.Status != http.StatusConflict || problem.Code != e.repeat.code {
		return false
	}
	document := problemMembers(problem.Body)[e.repeat.member]
	return e.isRequested(document) && decode(document, problemShape(e.repeat.member), e.result)
}

// isRequested reports whether a result has what the request asked for. Otherwise it was there before, such as a
// subscription to another plan.
func (e exchange) isRequested(document []byte) bool {
	body, err := json.Marshal(e.body)
	if err != nil {
		return false
	}
	result := lenient[map[string]any](document)
	for name, want := range lenient[map[string]any](body) {
		if got, ok := result[name]; ok && !reflect.DeepEqual(got, want) {
			return false
		}
	}
	return true
}

// problemMembers returns the members of a problem document. It returns nil if the document is not an object.
func problemMembers(document []byte) map[string]json.RawMessage {
	return lenient[map[string]json.RawMessage](bytes.TrimPrefix(document, byteOrderMark))
}

// problemShape returns the shape of a member of problem documents.
func problemShape(member string) any { return loadShapes()["problem "+member] }
