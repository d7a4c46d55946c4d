package upstream

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxCalls is how many tools a model may call in one answer. A question never needs as many.
	maxCalls = 64
	// maxCallBytes limits the names and arguments of an answer's calls. Arguments have a few hundred bytes.
	maxCallBytes = 64 << 10
	// madeUpID is the length of an ID that we make up. Mistral accepts no other.
	madeUpID = 9
	// maxNesting is how many times the arguments may be written as a JSON string within a JSON string.
	maxNesting = 3
)

var errCallsTooLarge = errors.New("the tool calls are larger than the limit")

// callPart is what one document has of a tool call: a part of it, or all of it.
type callPart struct {
	index     float64
	indexed   bool
	id, name  string
	arguments string
	value     bool // the arguments are written as a JSON value instead of in a string
}

// looseCalls are the parts of tool calls in a document. Elements that are not objects are skipped.
type looseCalls []callPart

// UnmarshalJSON never fails.
func (l *looseCalls) UnmarshalJSON(raw []byte) error {
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil {
		elements = []json.RawMessage{raw}
	}
	*l = nil
	for _, element := range elements {
		if element[0] == '{' {
			*l = append(*l, readCallPart(element))
		}
	}
	return nil
}

// readCallPart reads a part of a call. The name and the arguments are in a member of their own, or next to
// the others.
func readCallPart(raw json.RawMessage) callPart {
	type function struct {
		Name      looseString     `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}
	var c struct {
		function
		Index    json.RawMessage `json:"index"`
		ID       looseString     `json:"id"`
		Function json.RawMessage `json:"function"`
	}
	_ = json.Unmarshal(raw, &c) // each member accepts any form
	f := c.function
	_ = json.Unmarshal(c.Function, &f) // there may be none
	p := callPart{id: string(c.ID), name: string(f.Name)}
	if n, err := strconv.ParseFloat(strings.Trim(string(c.Index), `" `), 64); err == nil {
		p.index, p.indexed = n, true
	}
	switch {
	case len(f.Arguments) == 0 || string(f.Arguments) == "null":
	case f.Arguments[0] == '"':
		p.arguments = unquote(f.Arguments)
	default:
		p.arguments, p.value = string(f.Arguments), true
	}
	return p
}

// partialCall is a tool call as far as it has arrived.
type partialCall struct {
	index     float64
	indexed   bool
	id, name  string
	arguments []byte
}

// closed reports whether the arguments are complete, so that nothing can follow.
func (c *partialCall) closed() bool {
	return bytes.HasSuffix(bytes.TrimSpace(c.arguments), []byte("}")) && isObject(c.arguments)
}

// beginsText reports whether a text begins with the arguments so far. Unlike strings.HasPrefix it copies neither.
func (c *partialCall) beginsText(text string) bool {
	n := len(c.arguments)
	return len(text) >= n && text[:n] == string(c.arguments)
}

func (c *partialCall) blank() bool { return len(bytes.TrimSpace(c.arguments)) == 0 }

// isObject reports whether text is a JSON object.
func isObject(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) > 0 && text[0] == '{' && json.Valid(text)
}

// calls assembles the tool calls of an answer.
type calls struct {
	tools []string // that were offered
	list  []*partialCall
	size  int
}

// add adds the parts of a document. A whole message has each call of the answer once.
func (a *calls) add(parts []callPart, whole bool) error {
	for position, p := range parts {
		if whole {
			a.addWhole(position, p)
		} else {
			a.addPart(p)
		}
		if len(a.list) > maxCalls || a.size > maxCallBytes {
			return &Error{Kind: KindBadResponse, Status: http.StatusOK, Err: errCallsTooLarge}
		}
	}
	return nil
}

// addWhole adds a call, unless it repeats the one at its position. Some servers repeat at the end what they
// have streamed.
func (a *calls) addWhole(position int, p callPart) {
	if position >= len(a.list) || !a.list[position].repeats(p) {
		a.open(p)
	}
}

// addPart adds a part to the call that it belongs to, or begins another call.
func (a *calls) addPart(p callPart) {
	c := a.find(p)
	switch {
	case c == nil, a.beginsAnother(c, p):
		a.open(p)
	default:
		a.extend(c, p)
	}
}

// find returns the call that a part belongs to if it does not begin another one. It is found by its index,
// or else by its ID. Without either it is the latest one.
func (a *calls) find(p callPart) *partialCall {
	for _, c := range slices.Backward(a.list) {
		switch {
		case p.indexed && c.indexed:
			if p.index == c.index {
				return c
			}
		case p.id == "" || c.id == "" || p.id == c.id:
			return c
		}
	}
	if len(a.list) > 0 && p.name == "" && !p.indexed {
		return a.list[len(a.list)-1] // some servers make up an ID for each part
	}
	return nil
}

// beginsAnother reports whether a part begins another call, although it has the index or the ID of one. Some
// servers give all calls the same index, and some repeat the name in each part.
func (a *calls) beginsAnother(c *partialCall, p callPart) bool {
	switch {
	case p.name == "" || c.name == "" || c.repeats(p):
		return false
	case p.id != "" && c.id != "" && p.id != c.id:
		return true
	case c.closed():
		return p.arguments != "" || p.name != c.name
	}
	return p.name != c.name && a.offered(c.name) && a.offered(p.name)
}

func (a *calls) offered(name string) bool { return slices.Contains(a.tools, name) }

// repeats reports whether a part repeats the whole call.
func (c *partialCall) repeats(p callPart) bool {
	return c.name == p.name && c.closed() && string(bytes.TrimSpace(c.arguments)) == strings.TrimSpace(p.arguments)
}

func (a *calls) open(p callPart) {
	c := &partialCall{}
	a.list = append(a.list, c)
	a.extend(c, p)
}

// extend adds a part to a call. The name may arrive in parts too, but only before the arguments.
func (a *calls) extend(c *partialCall, p callPart) {
	if p.indexed && !c.indexed {
		c.index, c.indexed = p.index, true
	}
	c.id = cmp.Or(c.id, p.id)
	if c.name == "" || p.name != c.name && len(c.arguments) == 0 {
		c.name += p.name
		a.size += len(p.name)
	}
	// Some servers send all of the arguments so far in each part.
	if p.value || bytes.HasPrefix(c.arguments, []byte("{")) && c.beginsText(p.arguments) {
		c.arguments = c.arguments[:0]
	}
	if !c.closed() { // some servers repeat the end of the arguments
		c.arguments = append(c.arguments, p.arguments...)
		a.size += len(p.arguments)
	}
}

// began reports whether the model calls any tool.
func (a *calls) began() bool {
	return slices.ContainsFunc(a.list, func(c *partialCall) bool { return c.name != "" || !c.blank() })
}

// closed reports whether all calls have complete arguments. For a call without arguments, it is unknown whether
// some would have followed.
func (a *calls) closed(orBlank bool) bool {
	return !slices.ContainsFunc(a.list, func(c *partialCall) bool { return !c.closed() && (!orBlank || !c.blank()) })
}

// finish returns the calls of an answer that has ended.
func (a *calls) finish() []ToolCall {
	var out []ToolCall
	used := map[string]bool{}
	for _, c := range a.list {
		if c.name == "" && c.blank() {
			continue
		}
		id := strings.TrimSpace(c.id)
		for !callID.MatchString(id) || used[id] {
			id = rand.Text()[:madeUpID]
		}
		used[id] = true
		out = append(out, ToolCall{ID: id, Name: a.toolName(c.name), Arguments: readArguments(string(c.arguments))})
	}
	return out
}

// callID matches an ID that can be sent back.
var callID = regexp.MustCompile(`^[!-~]+$`)

// toolName is the name of the tool that a model means. Some models write a namespace before it
// ("functions.listFilms") or one of their special tokens after it.
func (a *calls) toolName(name string) string {
	name = displayName(name)
	bare, _, _ := strings.Cut(name, "<|")
	for _, tool := range a.tools {
		rest, ok := strings.CutSuffix(bare, tool)
		if ok && (rest == "" || strings.ContainsAny(rest[len(rest)-1:], ".:/")) {
			return tool
		}
	}
	return name
}

// readArguments reads the arguments as a model wrote them. None or null are an empty object. Text that is not
// a JSON object is returned as it is.
func readArguments(text string) json.RawMessage {
	var s scrubber
	text = strings.TrimSpace(s.add(text) + s.end())
	value := text
	for range maxNesting {
		if value == "" {
			return json.RawMessage("{}")
		}
		if isObject([]byte(value)) {
			return json.RawMessage(value)
		}
		var inner string
		if json.Unmarshal([]byte(value), &inner) != nil {
			break
		}
		value = strings.TrimSpace(inner)
	}
	return json.RawMessage(text)
}
