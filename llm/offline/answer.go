package offline

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"
)

// maxListed is how many films an answer lists.
const maxListed = 8

// maxAbout is how many films an answer has all facts about. There are at most twelve calls for it and the lookups.
const maxAbout = 4

//go:embed answer.tmpl
var answerText string

var answerTemplate = template.Must(template.New("answer").Parse(answerText))

// answer answers a question, and reports whether each word of it was understood. There is no answer yet if further
// calls are wanted.
func (c *conversation) answer() (text string, understood bool, err error) {
	words := split(c.question)
	dictionary := c.dictionary(words)
	if len(c.wanted) > 0 {
		return "", false, nil
	}
	q := newQuery(words, dictionary)
	found := q.find(c)
	found["read"], found["unread"], found["failed"] = q.read, q.unread, c.failed
	var b strings.Builder
	err = answerTemplate.Execute(&b, found)
	return strings.TrimSpace(b.String()), len(q.unread)+len(c.wanted) == 0 && !c.failed && found["nothing"] == nil, err
}

// find makes the calls that the question needs, and returns what the answer has from them.
func (q *query) find(c *conversation) map[string]any {
	switch {
	case len(q.films) > 0:
		return map[string]any{"about": q.about(c)}
	case q.list.value != "":
		return map[string]any{"page": c.call(q.list.value, map[string]any{}), "what": q.list.says}
	case len(q.args) == 0 && (len(q.unread) > 0 || !q.every):
		return map[string]any{"nothing": true}
	}
	q.args["page_size"], q.args["count"] = maxListed, "capped"
	return map[string]any{"page": c.call("listFilms", q.args), "what": "films"}
}

// about returns all facts about the films that the question names. It checks no conditions, so that the answer does not
// say that it looked for them.
func (q *query) about(c *conversation) (facts []record) {
	q.read = nil
	for _, f := range q.films[:min(len(q.films), maxAbout)] {
		q.read = append(q.read, fmt.Sprint(f["title"]))
		facts = append(facts, c.call("getFilm", map[string]any{"film_id": f["film_id"]}))
	}
	for _, f := range q.films[len(facts):] {
		q.unread = append(q.unread, fmt.Sprint(f["title"]))
	}
	return facts
}
