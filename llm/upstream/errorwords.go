package upstream

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// errorWords recognize errors without a code by their words, in lower case. They are used once a
// request has been tried without its optional parts, so no answer depends on them.
var errorWords = []struct {
	words *regexp.Regexp
	kind  Kind
}{
	{regexp.MustCompile(`(context|prompt|input)[ _](length|window|size|is too long)|maximum context|too many (input )?tokens|exceeds the context`), KindTooLong},
	{regexp.MustCompile(`content[ _](management[ _])?(policy|filter)|safety (system|policy|filter)|moderation|responsible ai`), KindFiltered},
	{regexp.MustCompile(`model\b.{0,200}(\bnot found|(does not|doesn't|not) exist)|(no such|unknown|not a valid) model`), KindNoModel},
}

// kindByWords classifies a rejected request by the words of the error. It returns an empty kind if they
// say nothing.
func kindByWords(status int, words string) Kind {
	if !mayRefusePart(status) {
		return ""
	}
	for _, row := range errorWords {
		if row.words.MatchString(words) {
			return row.kind
		}
	}
	return ""
}

// mayRefusePart reports whether a status may mean that the upstream refuses an optional part of a request.
func mayRefusePart(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusNotFound || status == http.StatusUnprocessableEntity
}

// withKindByWords returns the error with the kind that the words suggest, if nothing else determines it. It
// is meant for an error that remains after every shape of the request has been tried, and for one in
// the middle of an answer.
func (e *Error) withKindByWords(words Kind) *Error {
	if e.Kind != KindRejected || words == "" {
		return e
	}
	classified := *e
	classified.Kind = words
	return &classified
}

// wordMembers are the members of an error in which upstreams say what is wrong. All other members may
// quote the request, and so the question.
var wordMembers = []string{
	"error", "errors", "detail", "details", "message", "msg", "reason", "title", "description", "error_description", "type", "code", "param", "loc", "status", "object",
}

// quotedRequest matches the place where a message begins to quote the request, as validators do.
var quotedRequest = regexp.MustCompile(`(?i)['"](input|body|request|prompt|messages|content)['"]\s*:`)

// ownWords returns what an error says without what it quotes, in lower case.
func ownWords(body []byte) string {
	var document any
	if json.Unmarshal(body, &document) != nil {
		document = string(body)
	}
	return strings.ToLower(strings.Join(appendWords(nil, document), "\n"))
}

func appendWords(words []string, value any) []string {
	switch v := value.(type) {
	case string:
		if quote := quotedRequest.FindStringIndex(v); quote != nil {
			v = v[:quote[0]]
		}
		words = append(words, v)
	case []any:
		for _, element := range v {
			words = appendWords(words, element)
		}
	case map[string]any:
		for _, member := range wordMembers {
			words = appendWords(words, v[member])
		}
	}
	return words
}
