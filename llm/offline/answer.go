package offline

import "fmt"

// maxListed is how many films an answer lists.
const maxListed = 8

// maxAbout is how many films an answer has all facts about. There are at most twelve calls for it and the lookups.
const maxAbout = 4

// findings are what an answer has from the calls that the question needs.
type findings struct {
	nothing bool     // the question has no condition for films
	about   []record // films with all facts
	page    record   // the other results
	what    string   // the results are
}

// answer answers a question, and reports whether each word of it was understood. There is no answer yet if further
// calls are wanted.
func (c *conversation) answer() (text string, understood bool) {
	words := split(c.question)
	dictionary := c.dictionary(words)
	if len(c.wanted) > 0 {
		return "", false
	}
	q := newQuery(words, dictionary)
	found := q.find(c)
	understood = len(q.unread)+len(c.wanted) == 0 && !c.failed && !found.nothing
	return write(q, found, c.failed), understood
}

// find makes the calls that the question needs.
func (q *query) find(c *conversation) findings {
	switch {
	case len(q.films) > 0:
		return findings{about: q.about(c)}
	case q.list.value != "":
		return findings{page: c.call(q.list.value, map[string]any{}), what: q.list.says}
	case len(q.args) == 0 && (len(q.unread) > 0 || !q.every):
		return findings{nothing: true}
	}
	q.args["page_size"], q.args["count"] = maxListed, "capped"
	return findings{page: c.call("listFilms", q.args), what: "films"}
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
