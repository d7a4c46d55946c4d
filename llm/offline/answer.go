package offline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxListed is how many films an answer lists.
const maxListed = "8"

// call is a call of a tool.
type call struct{ name, arguments string }

// desk makes calls. A result is empty until it is known, and then the question is read again.
type desk struct {
	results map[call]record
	wanted  []call
}

func (d *desk) call(name string, args map[string][]string) record {
	c := call{name, arguments(args)}
	r, known := d.results[c]
	if !known && !slices.Contains(d.wanted, c) {
		d.wanted = append(d.wanted, c)
	}
	return r
}

// arguments writes arguments in JSON, in the types of the contract.
func arguments(args map[string][]string) string {
	typed := map[string]any{}
	for name, values := range args {
		number := strings.HasSuffix(name, "_min") || strings.HasSuffix(name, "_max") || strings.HasSuffix(name, "_id") || name == "page_size"
		switch {
		case slices.Contains([]string{"category", "rating", "language", "actor", "special_feature"}, name):
			typed[name] = values
		case name == "streaming_available", name == "in_stock", number && !strings.HasPrefix(name, "re") || strings.HasPrefix(name, "release"):
			typed[name] = json.RawMessage(values[0])
		default:
			typed[name] = values[0]
		}
	}
	raw, err := json.Marshal(typed)
	if err != nil {
		return "{}" // the values are numbers where numbers belong
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
	var films []record
	for _, n := range names {
		films = append(films, n.films...)
	}
	q := newQuery(words, names)
	text := q.answer(d, films)
	if len(q.unread) > 0 {
		text = "Not understood, and not used: “" + strings.Join(q.unread, "”, “") + "”.\n" + text
	}
	if len(q.read) > 0 {
		text = "Looked for: " + strings.Join(q.read, ", ") + ".\n" + text
	}
	return reading{d.wanted, text, len(q.unread) == 0}
}

// answer makes the calls that the question needs, and answers from their results.
func (q *query) answer(d *desk, films []record) string {
	asked := append(q.lists, "")[0]
	tool := map[string]string{"categories": "listCategories", "actors": "listActors", "stores": "listStores"}[asked]
	switch {
	case len(films) > 0:
		return q.about(d, films)
	case tool != "" && len(q.lists) == 1 && len(q.args) == 0:
		return list(d.call(tool, nil), asked)
	case slices.Contains(q.lists, "stores") || slices.Contains(q.lists, "actors") && (q.args["actor"] == nil || !slices.Contains(q.lists, "film")):
		q.unread = append(q.unread, q.lists...)
	}
	if len(q.args) == 0 && (asked == "" || len(q.unread) > 0) {
		q.unread = append(q.unread, "the question")
		return "No condition for films was understood."
	}
	q.args["page_size"] = []string{maxListed}
	return list(d.call("listFilms", q.args), "films")
}

// about answers about films that the question names.
func (q *query) about(d *desk, films []record) string {
	if q.args["sort"] != nil {
		q.unread = append(q.unread, "the order")
	}
	var lines []string
	for _, f := range films[:min(len(films), 3)] {
		id := map[string][]string{"film_id": {f.text("film_id")}}
		lines = append(lines, d.call("getFilm", id).String())
		if q.due {
			lines = append(lines, list(d.call("listFilmInventory", id), "copies"))
		}
	}
	return strings.Join(lines, "\n")
}

// list lists the objects of a page.
func list(page record, what string) string {
	items, _ := page["items"].([]any)
	lines := []string{fmt.Sprintf("%d of %s %s:", len(items), cmp.Or(page.text("total"), strconv.Itoa(len(items))), what)}
	if len(items) == 0 {
		return "None of the " + what + " fits."
	}
	for _, item := range items {
		lines = append(lines, "- "+text(item)+".")
	}
	return strings.Join(lines, "\n")
}

// record is an object of a response.
type record map[string]any

// members are the members of all objects, in the order in which an answer has them.
var members = [][2]string{
	{"title", "%s"}, {"film_id", "[%s]"}, {"inventory_id", "copy %s"}, {"store_id", "store %s"}, {"name", "%s"}, {"address", "%s"}, {"city", "%s"},
	{"country", "%s"}, {"film_count", "%s films"}, {"copies", "%s copies"}, {"in_stock", "in stock: %s"}, {"due_date", "due %s"}, {"release_year", "%s"},
	{"categories", "%s"}, {"category", "%s"}, {"rating", "rated %s"}, {"length", "%s minutes"}, {"rental_rate", "$%s"}, {"rental_duration", "for %s days"},
	{"replacement_cost", "$%s to replace"}, {"special_features", "with %s"}, {"language", "in %s"}, {"streaming_available", "streaming: %s"},
	{"actors", "starring %s"}, {"availability", "in stores: %s"}, {"description", "%s"},
}

// String has all facts of an object in a line.
func (r record) String() string {
	var all []string
	if r["first_name"] != nil {
		all = append(all, r.text("first_name")+" "+r.text("last_name"))
	}
	for _, m := range members {
		if text := r.text(m[0]); text != "" && (m[0] != "category" || r["categories"] == nil) {
			all = append(all, fmt.Sprintf(m[1], text))
		}
	}
	return strings.Replace(strings.Join(all, ", "), ", [", " [", 1)
}

// text is a member as an answer has it, or empty if it is not known.
func (r record) text(name string) string { return text(r[name]) }

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		return map[bool]string{true: "yes", false: "no"}[v]
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any:
		return record(v).String()
	case []any:
		all := make([]string, len(v))
		for i, one := range v {
			all[i] = text(one)
		}
		return strings.Join(all, ", ")
	default:
		return fmt.Sprint(v)
	}
}
