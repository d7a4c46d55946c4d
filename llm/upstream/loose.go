package upstream

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The types in this file read what does not affect whether an answer is good. They accept the forms
// in which upstreams write it, and treat every other form as missing.

// looseString is a string, or empty for any other value.
type looseString string

// UnmarshalJSON never fails.
func (s *looseString) UnmarshalJSON(raw []byte) error {
	*s = ""
	if raw[0] == '"' {
		*s = looseString(unquote(raw))
	}
	return nil
}

// maxTokenCount is the largest integer that JSON carries exactly, and so the contract's maximum.
const maxTokenCount = 1<<53 - 1

// looseCount is a number of tokens: a number in any notation, or a string with one. An impossible
// number is read as 0, as if it were missing.
type looseCount int

// UnmarshalJSON never fails.
func (c *looseCount) UnmarshalJSON(raw []byte) error {
	*c = 0
	n, err := strconv.ParseFloat(strings.Trim(string(raw), `" `), 64)
	if err == nil && n > 0 && n <= maxTokenCount { // false for NaN
		*c = looseCount(math.Floor(n))
	}
	return nil
}

// looseIndex reports whether a choice is not the first one. An index that is missing or malformed counts
// as 0.
type looseIndex struct{ other bool }

// UnmarshalJSON never fails.
func (i *looseIndex) UnmarshalJSON(raw []byte) error {
	if string(raw) == "0" {
		i.other = false
		return nil // nearly always
	}
	n, err := strconv.ParseFloat(strings.Trim(string(raw), `" `), 64)
	i.other = err == nil && n != 0
	return nil
}

// looseList is a list, or one element without a list. Every empty value is an empty list.
type looseList[E any] []E

// UnmarshalJSON fails if there could be elements in an unknown form.
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

// looseUsage is the usage that a response reports.
type looseUsage struct {
	Usage
	thought bool // a part of it was for thoughts
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
		_ = json.Unmarshal(raw, &fields)           // each field accepts any form
		_ = json.Unmarshal(fields.Details, &inner) // there may be none
	}
	u.Prompt = int(cmp.Or(fields.Prompt, fields.Input))
	u.Completion = int(cmp.Or(fields.Completion, fields.Output))
	u.thought = fields.Reasoning > 0 || inner.Reasoning > 0
	return nil
}

// hasContent reports whether a JSON value is not an empty one.
func hasContent(raw []byte) bool {
	switch string(raw) {
	case "", "null", "false", `""`, "0":
		return false
	default:
		return !isEmpty(raw, '[') && !isEmpty(raw, '{')
	}
}

// isEmpty reports whether a JSON value is an empty list or object, depending on the bracket.
func isEmpty(raw []byte, bracket byte) bool {
	return len(raw) >= 2 && raw[0] == bracket && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0
}

// maxVacuousDepth limits how deep isVacuous looks, since it decodes each level again.
const maxVacuousDepth = 3

// isVacuous reports whether a JSON value is empty, or contains nothing but empty values.
func isVacuous(raw json.RawMessage) bool { return isVacuousWithin(raw, maxVacuousDepth) }

func isVacuousWithin(raw json.RawMessage, depth int) bool {
	switch {
	case !hasContent(raw) || string(raw) == `"null"`:
		return true
	case depth == 0:
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
	return !slices.ContainsFunc(elements, func(raw json.RawMessage) bool { return !isVacuousWithin(raw, depth-1) })
}
