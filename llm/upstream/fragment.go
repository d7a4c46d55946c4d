package upstream

import (
	"bytes"
	"encoding/json"
	"strings"
)

// fragment is what one document of a response adds to the answer. A document that has neither text, a tool call
// nor an error is skipped, whatever else it has.
type fragment struct {
	text    string
	whole   bool // the text is the whole answer, not its next part
	calls   []callPart
	thought bool // the document has thoughts of the model, which are not kept
	refusal bool // the model refuses to answer
	finish  string
	end     bool // the answer has no more documents
	model   string
	usage   Usage // zero if it is not reported
}

// add adds the content of another choice.
func (f *fragment) add(other fragment) {
	f.text += other.text
	f.calls = append(f.calls, other.calls...)
	f.whole = f.whole || other.whole
	f.thought = f.thought || other.thought
	f.refusal = f.refusal || other.refusal
}

// looseMessage is a message, or a part of one that is streamed. Its text is read strictly.
type looseMessage struct {
	given        bool // it is not null
	content      content
	refusal      looseString
	thought      bool
	toolCalls    looseCalls
	functionCall looseCalls // the older name, of one call
}

// UnmarshalJSON reads every empty value as an empty message. Some servers write [] for {}.
func (m *looseMessage) UnmarshalJSON(raw []byte) error {
	m.given = string(raw) != "null"
	if !hasContent(raw) {
		return nil
	}
	if raw[0] != '{' {
		return errMalformed
	}
	for name, value := range members(raw) {
		var err error
		switch string(name) {
		case "content":
			err = m.content.UnmarshalJSON(value)
		case "refusal":
			err = m.refusal.UnmarshalJSON(value)
		case "reasoning", "reasoning_content", "reasoning_details", "thinking":
			m.thought = m.thought || hasContent(value)
		case "tool_calls":
			err = m.toolCalls.UnmarshalJSON(value)
		case "function_call":
			err = m.functionCall.UnmarshalJSON(value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fragment is what the message adds to the answer.
func (m looseMessage) fragment() fragment {
	calls := m.toolCalls
	if len(calls) == 0 {
		calls = m.functionCall
	}
	return fragment{
		text:    m.content.text,
		calls:   calls,
		refusal: saysSomething(string(m.refusal)) || m.content.refusal,
		thought: m.content.thought || m.thought,
	}
}

// saysSomething reports whether a string has content. Placeholders such as "null" do not count.
func saysSomething(text string) bool {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "", "null", "none":
		return false
	default:
		return true
	}
}

// content is the text of a message: a string or a list of parts.
type content struct {
	text             string
	thought, refusal bool
}

// UnmarshalJSON fails if there could be text in an unknown form.
func (c *content) UnmarshalJSON(raw []byte) error {
	switch {
	case !hasContent(raw):
		return nil
	case raw[0] == '"':
		c.text = unquote(raw)
		return nil
	case raw[0] == '{':
		return c.part(raw)
	case raw[0] != '[':
		return errMalformed
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	for _, part := range parts {
		if err := c.part(part); err != nil {
			return err
		}
	}
	return nil
}

// part adds a part, whose type says what it is. A part of an unknown type is not text.
func (c *content) part(raw json.RawMessage) error {
	if raw[0] == '"' {
		c.text += unquote(raw)
		return nil
	}
	if raw[0] != '{' {
		return nil
	}
	var p struct {
		Type looseString     `json:"type"`
		Text json.RawMessage `json:"text"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return err
	}
	switch kind := strings.ToLower(string(p.Type)); {
	case kind == "text", kind == "output_text", kind == "":
		if bytes.HasPrefix(p.Text, []byte(`"`)) {
			c.text += unquote(p.Text)
		}
	case kind == "refusal":
		c.refusal = true
	case strings.Contains(kind, "thinking"), strings.Contains(kind, "reasoning"), strings.Contains(kind, "thought"):
		c.thought = true
	}
	return nil
}
