package offline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// notSearched is the answer if the tools cannot be called.
const notSearched = "Not understood: the catalogue could not be searched for this question."

// maxListed is how many films an answer lists.
const maxListed = 8

// maxNamed is how many films that a question names are looked up.
const maxNamed = 3

// call is a call of a tool.
type call struct{ name, arguments string }

// desk makes calls. A result is empty until it is known, and then the question is read again.
type desk struct {
	results map[call]record
	wanted  []call
	refused bool // a result is no response but a problem
}

func (d *desk) call(name string, args map[string]any) record {
	c := call{name, encode(args)}
	r, known := d.results[c]
	if !known && !slices.Contains(d.wanted, c) {
		d.wanted = append(d.wanted, c)
	}
	d.refused = d.refused || known && (len(r) == 0 || r["detail"] != nil)
	return r
}

// encode writes arguments in JSON. It can write all that the reader understands.
func encode(args map[string]any) string {
	raw, err := json.Marshal(args)
	if err != nil {
		return "{}"
	}
	return string(raw)
}

// reading is what is made of a question and the results so far.
type reading struct {
	calls  []call // that are needed before there is an answer
	answer string
	whole  bool // each word was understood
}

// read reads a question.
func read(question string, results map[call]record) reading {
	d := &desk{results: results}
	words := split(question)
	names := resolve(words, d)
	if len(d.wanted) > 0 {
		return reading{calls: d.wanted}
	}
	q := newQuery(words, names)
	for _, n := range names {
		q.films = append(q.films, n.films...)
	}
	text := q.answer(d)
	if d.refused {
		return reading{d.wanted, notSearched, false}
	}
	if len(q.unread) > 0 {
		text = "Not understood, and not used: “" + strings.Join(q.unread, "”, “") + "”.\n" + text
	}
	if len(q.read) > 0 {
		text = "Looked for: " + strings.Join(q.read, ", ") + ".\n" + text
	}
	return reading{d.wanted, text, len(q.unread) == 0}
}

// answer makes the calls that the question needs, and answers from their results.
func (q *query) answer(d *desk) string {
	asked := append(q.lists, "")[0]
	tool := map[string]string{"categories": "listCategories", "actors": "listActors", "stores": "listStores"}[asked]
	actors := slices.Contains(q.lists, "actors") && (q.args["actor"] == nil || !slices.Contains(q.lists, "film"))
	switch {
	case len(q.films) > 0:
		return q.about(d)
	case tool != "" && len(q.lists) == 1 && len(q.args) == 0:
		return list(d.call(tool, map[string]any{}), asked)
	case actors || slices.Contains(q.lists, "stores"):
		q.unread = append(q.unread, q.lists...)
	}
	if len(q.args) == 0 && (asked == "" || len(q.unread) > 0) {
		if len(q.unread) == 0 {
			q.unread = []string{"the question"}
		}
		return "No condition for films was understood."
	}
	q.args["page_size"] = maxListed
	return list(d.call("listFilms", q.args), "films")
}

// about answers with all facts about the films that the question names.
func (q *query) about(d *desk) string {
	if q.args["sort"] != nil {
		q.unread = append(q.unread, "the order")
	}
	if len(q.films) > maxNamed {
		q.unread = append(q.unread, "the other films")
	}
	var lines, titles []string
	for _, f := range q.films[:min(len(q.films), maxNamed)] {
		titles = append(titles, f.text("title"))
		id := map[string]any{"film_id": f["film_id"]}
		lines = append(lines, d.call("getFilm", id).String()+".")
		if q.due {
			lines = append(lines, list(d.call("listFilmInventory", id), "copies"))
		}
	}
	q.read = append(titles, q.read...)
	return strings.Join(lines, "\n")
}

// list lists the objects of a page.
func list(page record, what string) string {
	items := page.list("items")
	lines := []string{fmt.Sprintf("%d of %s %s:", len(items), cmp.Or(page.text("total"), strconv.Itoa(len(items))), what)}
	if len(items) == 0 {
		return "None of the " + what + " fits."
	}
	for _, item := range items {
		delete(item, "description")
		lines = append(lines, "- "+item.String()+".")
	}
	return strings.Join(lines, "\n")
}

// record is an object of a response.
type record map[string]any

// parse reads an object, with numbers as they are written.
func parse(object string) record {
	var r record
	d := json.NewDecoder(strings.NewReader(object))
	d.UseNumber()
	if d.Decode(&r) != nil {
		return record{}
	}
	return r
}

// list has the objects of a member.
func (r record) list(member string) []record {
	values, _ := r[member].([]any)
	var all []record
	for _, v := range values {
		if object, ok := v.(map[string]any); ok {
			all = append(all, object)
		}
	}
	return all
}

// members are the members of all objects, in the order in which answers have them.
var members = [][2]string{
	{"title", "%s"}, {"film_id", "[%s]"}, {"first_name", "%s"}, {"last_name", "%s"}, {"inventory_id", "copy %s"}, {"store_id", "store %s"},
	{"name", "%s"}, {"address", "in %s,"}, {"city", "%s,"}, {"country", "%s"}, {"film_count", "(films: %s)"}, {"copies", "(copies: %s)"},
	{"in_stock", "(in stock: %s)"}, {"due_date", "(due: %s)"}, {"release_year", "(%s):"}, {"categories", "%s,"}, {"category", "%s,"},
	{"rating", "rated %s,"}, {"length", "%s minutes,"}, {"rental_rate", "$%s"}, {"rental_duration", "for %s days,"},
	{"replacement_cost", "$%s to replace,"}, {"special_features", "with %s,"}, {"language", "in %s,"}, {"streaming_available", "streaming: %s"},
	{"actors", "; actors: %s"}, {"availability", "; %s"}, {"description", "; %s"},
}

// String has all facts of an object in a line.
func (r record) String() string {
	var all []string
	for _, m := range members {
		if text := r.text(m[0]); text != "" && (m[0] != "category" || r["categories"] == nil) {
			all = append(all, fmt.Sprintf(m[1], text))
		}
	}
	return strings.TrimRight(strings.NewReplacer(", ;", ";", " ;", ";").Replace(strings.Join(all, " ")), ",:")
}

// text is a member as answers have it, or empty if it is not known.
func (r record) text(name string) string {
	switch v := r[name].(type) {
	case nil:
		return ""
	case bool:
		return map[bool]string{true: "yes", false: "no"}[v]
	case []any:
		var all []string
		for _, one := range v {
			if object, ok := one.(map[string]any); ok {
				one = record(object)
			}
			all = append(all, fmt.Sprint(one))
		}
		return strings.Join(all, ", ")
	default:
		return fmt.Sprint(v)
	}
}
