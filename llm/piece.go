package llm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// piece is what one document of a response says, in terms that all dialects share. One that carries
// neither text nor an error is skipped, whatever else is in it.
type piece struct {
	text    string
	whole   bool // the text is that of the whole answer, not the next part of it
	thought bool // the model thinks; what it thinks is kept nowhere
	refusal bool // the model says that it will not answer
	finish  string
	end     bool // nothing of the answer comes after this
	model   string
	usage   Usage // zero where it is not said
}

// add adds what another choice or part says.
func (p *piece) add(other piece) {
	p.text += other.text
	p.whole = p.whole || other.whole
	p.thought = p.thought || other.thought
	p.refusal = p.refusal || other.refusal
}

// The types below read what does not decide whether an answer is good. They take the forms that
// upstreams give it, and every other form for nothing.

// looseText is a string, else empty.
type looseText string

// UnmarshalJSON never fails.
func (t *looseText) UnmarshalJSON(raw []byte) error {
	*t = ""
	if raw[0] == '"' {
		*t = looseText(unquote(raw))
	}
	return nil
}

// maxTokenCount is the greatest number that JSON carries exactly, and so the contract's greatest.
const maxTokenCount = 1<<53 - 1

// looseCount is a number of tokens: a number in any notation, or a string of one. One that no answer
// can have cost is 0, as if it were not said.
type looseCount int

// UnmarshalJSON never fails.
func (c *looseCount) UnmarshalJSON(raw []byte) error {
	*c = 0
	n, err := strconv.ParseFloat(strings.Trim(string(raw), `" `), 64)
	if err == nil && n > 0 && n <= maxTokenCount { // and so not NaN
		*c = looseCount(math.Floor(n))
	}
	return nil
}

// looseIndex says whether a choice is the first one: the index is 0, missing or nonsense.
type looseIndex struct{ other bool }

// UnmarshalJSON never fails.
func (i *looseIndex) UnmarshalJSON(raw []byte) error {
	n, err := strconv.ParseFloat(strings.Trim(string(raw), `" `), 64)
	i.other = err == nil && n != 0
	return nil
}

// looseThought says whether a field has thoughts in it, which upstreams write in many forms.
type looseThought bool

// UnmarshalJSON never fails.
func (t *looseThought) UnmarshalJSON(raw []byte) error {
	*t = looseThought(hasContent(raw))
	return nil
}

// hasContent says whether a JSON value is more than an empty one.
func hasContent(raw []byte) bool {
	switch string(raw) {
	case "", "null", "false", `""`, "0":
		return false
	default:
		return !isEmpty(raw, '[') && !isEmpty(raw, '{')
	}
}

// isEmpty says whether a JSON value is an empty list or object, by its bracket.
func isEmpty(raw []byte, bracket byte) bool {
	return len(raw) >= 2 && raw[0] == bracket && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0
}

// looseBool is true, however it is written, or false.
type looseBool bool

// UnmarshalJSON never fails.
func (b *looseBool) UnmarshalJSON(raw []byte) error {
	word := strings.ToLower(strings.Trim(string(raw), `" `))
	*b = looseBool(hasContent(raw) && word != "" && word != "false" && word != "null" && word != "0")
	return nil
}

// looseList is a list, or one element without the list. Every empty value is an empty list.
type looseList[E any] []E

// UnmarshalJSON fails for what could be elements in a form that is not known.
func (l *looseList[E]) UnmarshalJSON(raw []byte) error {
	*l = nil
	switch {
	case !hasContent(raw):
		return nil
	case raw[0] == '{':
		*l = make(looseList[E], 1)
		return json.Unmarshal(raw, &(*l)[0])
	}
	return json.Unmarshal(raw, (*[]E)(l))
}

// saysNothing says whether a JSON value is empty, or has nothing but empty values in it.
func saysNothing(raw json.RawMessage) bool { return saysNothingWithin(raw, 3) }

// saysNothingWithin looks no deeper than some levels, since each level is read anew.
func saysNothingWithin(raw json.RawMessage, levels int) bool {
	switch {
	case !hasContent(raw) || string(raw) == `"null"`:
		return true
	case levels == 0:
		return false
	}
	var members map[string]json.RawMessage
	var elements []json.RawMessage
	switch raw[0] {
	case '{':
		_ = json.Unmarshal(raw, &members) // it is valid
		elements = slices.Collect(maps.Values(members))
	case '[':
		_ = json.Unmarshal(raw, &elements)
	default:
		return false
	}
	return !slices.ContainsFunc(elements, func(raw json.RawMessage) bool { return !saysNothingWithin(raw, levels-1) })
}

// looseUsage is what a response says that it cost.
type looseUsage struct {
	Usage
	thought bool // some of it was for thoughts
}

// UnmarshalJSON never fails.
func (u *looseUsage) UnmarshalJSON(raw []byte) error {
	type details struct {
		Reasoning looseCount `json:"reasoning_tokens"`
	}
	var fields struct {
		Prompt     looseCount      `json:"prompt_tokens"`
		Input      looseCount      `json:"input_tokens"`
		Completion looseCount      `json:"completion_tokens"`
		Output     looseCount      `json:"output_tokens"`
		Reasoning  looseCount      `json:"reasoning_tokens"`
		Details    json.RawMessage `json:"completion_tokens_details"`
	}
	var inner details
	if raw[0] == '{' {
		_ = json.Unmarshal(raw, &fields)           // each field takes any form
		_ = json.Unmarshal(fields.Details, &inner) // there may be none
	}
	u.Prompt = int(cmp.Or(fields.Prompt, fields.Input))
	u.Completion = int(cmp.Or(fields.Completion, fields.Output))
	u.thought = fields.Reasoning > 0 || inner.Reasoning > 0
	return nil
}

// looseMessage is a message, or a part of one that is streamed. What it says is read strictly.
// Calls of tools are not looked at: none are offered.
type looseMessage struct {
	Content   content      `json:"content"`
	Refusal   looseText    `json:"refusal"`
	Reasoning looseThought `json:"reasoning"`
	// The names that other servers have for it.
	ReasoningContent looseThought `json:"reasoning_content"`
	ReasoningDetails looseThought `json:"reasoning_details"`
	Thinking         looseThought `json:"thinking"`
}

// UnmarshalJSON takes every empty value for an empty message. Some servers write [] for {}.
func (m *looseMessage) UnmarshalJSON(raw []byte) error {
	if !hasContent(raw) {
		return nil
	}
	type plain looseMessage
	return json.Unmarshal(raw, (*plain)(m))
}

// piece is what the message says.
func (m looseMessage) piece() piece {
	return piece{
		text:    m.Content.text,
		refusal: isSaid(string(m.Refusal)) || m.Content.refusal,
		thought: m.Content.thought || bool(m.Reasoning || m.ReasoningContent || m.ReasoningDetails || m.Thinking),
	}
}

// isSaid says whether a text is more than one of the words for nothing.
func isSaid(text string) bool {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "", "null", "none":
		return false
	}
	return true
}

// content is a message's text: a string, or a list of parts.
type content struct {
	text             string
	thought, refusal bool
}

// UnmarshalJSON fails for what could be text in a form that is not known.
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

// part adds a part. What it is for is said by its type; one of an unknown type is no text.
func (c *content) part(raw json.RawMessage) error {
	if raw[0] == '"' {
		c.text += unquote(raw)
		return nil
	}
	if raw[0] != '{' {
		return nil
	}
	var p struct {
		Type looseText       `json:"type"`
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

// unquote reads a valid JSON string. Unlike encoding/json it keeps what is no UTF-8 by itself, since
// an upstream may cut its text within a character: the rest comes with the next piece. Half of a
// surrogate pair is written as three bytes, as if it were a character.
func unquote(raw []byte) string {
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		if raw[i] != 'u' {
			out = append(out, escapes[raw[i]])
			continue
		}
		r := hexRune(raw[i+1:])
		i += 4
		if low := raw[i+1:]; utf16.IsSurrogate(r) && len(low) >= 6 && low[0] == '\\' && low[1] == 'u' {
			if pair := utf16.DecodeRune(r, hexRune(low[2:])); pair != utf8.RuneError {
				r = pair
				i += 6
			}
		}
		out = appendRune(out, r)
	}
	return string(out)
}

// escapes are the characters that follow a backslash, and what they stand for.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// hexRune reads the four digits of a \u escape.
func hexRune(digits []byte) rune {
	n, _ := strconv.ParseInt(string(digits[:4]), 16, 32) // the JSON is valid
	return rune(n)
}

// appendRune also appends halves of surrogate pairs, which have no UTF-8.
func appendRune(out []byte, r rune) []byte {
	if utf16.IsSurrogate(r) {
		return append(out, 0xed, 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
	}
	return utf8.AppendRune(out, r)
}
