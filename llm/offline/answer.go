package offline

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// notSearched is the answer if no films can be searched for.
const notSearched = "Not understood: the catalogue could not be searched for this question.\n"

// notLookedUp stands above the answer if a call was refused.
const notLookedUp = "Not understood: a part of the question could not be looked up.\n"

// maxListed is how many films an answer lists.
const maxListed = 8

// maxAbout is how many films an answer has all facts about. There are at most twelve calls for it and the lookups.
const maxAbout = 4

// answer answers a question, and reports whether each word of it was understood. There is no answer yet if further
// calls are wanted.
func (c *conversation) answer(question string) (text string, understood bool) {
	words := split(question)
	dictionary := c.dictionary(words)
	if len(c.wanted) > 0 {
		return "", false
	}
	q := newQuery(words, dictionary)
	text = q.answer(c)
	switch {
	case c.refused && text == "":
		text = notSearched
	case c.refused:
		text = notLookedUp + text
	}
	if len(q.unread) > 0 {
		text = "Not understood, and not used: “" + strings.Join(q.unread, "”, “") + "”.\n" + text
	}
	if len(q.read) > 0 {
		text = "Looked for: " + strings.Join(q.read, ", ") + ".\n" + text
	}
	return strings.TrimSpace(text), len(q.unread)+len(c.wanted) == 0 && !c.refused
}

// answer makes the calls that the question needs, and answers from their results.
func (q *query) answer(c *conversation) string {
	if len(q.films) > 0 {
		return q.about(c)
	}
	if q.list.value != "" {
		return list(c.call(q.list.value, map[string]any{}), q.list.says)
	}
	if len(q.args)+len(q.unread) == 0 && !q.every {
		q.unread = []string{"the question"}
	}
	if len(q.args) == 0 && len(q.unread) > 0 {
		return "No condition for films was understood."
	}
	q.args["page_size"] = maxListed
	return list(c.call("listFilms", q.args), "films")
}

// about answers with all facts about the films that the question names. It checks no conditions, so that it does not
// say that it looked for them.
func (q *query) about(c *conversation) string {
	var lines []string
	q.read = nil
	for i, f := range q.films {
		if i >= maxAbout {
			q.unread = append(q.unread, say(f["title"]))
			continue
		}
		id := map[string]any{"film_id": f["film_id"]}
		q.read, lines = append(q.read, say(f["title"])), append(lines, say(c.call("getFilm", id))+".")
	}
	return strings.Join(lines, "\n")
}

// list lists the objects of a page, if there is one.
func list(page record, what string) string {
	items := itemsOf(page)
	n := strconv.Itoa(len(items))
	total := cmp.Or(say(page["total"]), n)
	lines := []string{total + " " + what + ", the first " + n + ":"}
	switch {
	case page["items"] == nil:
		return ""
	case len(items) == 0:
		return "None of the " + what + " fits."
	case total == "1":
		lines[0] = "1 " + stems([]string{what}) + ":"
	case total == n:
		lines[0] = n + " " + what + ":"
	}
	for _, item := range items {
		delete(item, "description")
		lines = append(lines, "- "+say(item)+".")
	}
	return strings.Join(lines, "\n")
}

// record is an object of a response.
type record = map[string]any

// itemsOf are the objects on a page.
func itemsOf(page record) (items []record) {
	values, _ := page["items"].([]any)
	for _, v := range values {
		if object, ok := v.(record); ok {
			items = append(items, object)
		}
	}
	return items
}

// members are the members of all objects, in the order in which answers have them.
var members = [][2]string{
	{"title", "%s"}, {"film_id", "[%s]"}, {"first_name", "%s"}, {"last_name", "%s"}, {"store_id", "store %s"},
	{"name", "%s"}, {"address", "in %s,"}, {"city", "%s,"}, {"country", "%s"}, {"film_count", "(films: %s)"}, {"copies", "(copies: %s)"},
	{"in_stock", "(in stock: %s)"}, {"release_year", "(%s):"}, {"categories", "%s,"}, {"category", "%s,"},
	{"rating", "rated %s,"}, {"length", "%s minutes,"}, {"rental_rate", "$%s"}, {"rental_duration", "for %s days,"},
	{"replacement_cost", "$%s to replace,"}, {"special_features", "with %s,"}, {"language", "in %s,"}, {"streaming_available", "streaming: %s"},
	{"actors", "; actors: %s"}, {"availability", "; %s"}, {"description", "; %s"},
}

// say writes a value as answers have it: an object with all its facts in a line, and nothing for null.
func say(value any) string {
	var all []string
	switch v := value.(type) {
	case nil:
		return ""
	case bool:
		return map[bool]string{true: "yes", false: "no"}[v]
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		for _, one := range v {
			all = append(all, say(one))
		}
		return strings.Join(all, ", ")
	case record:
		for _, m := range members {
			if text := say(v[m[0]]); text != "" && (m[0] != "category" || v["categories"] == nil) {
				all = append(all, fmt.Sprintf(m[1], text))
			}
		}
		return strings.TrimRight(strings.NewReplacer(", ;", ";", " ;", ";").Replace(strings.Join(all, " ")), ",:")
	}
	return fmt.Sprint(value)
}
