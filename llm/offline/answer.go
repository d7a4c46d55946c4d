package offline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxListed is how many films an answer lists, unless the question says how many.
const maxListed = "8"

// reading is what the reader makes of a question and the results so far.
type reading struct {
	calls  []call // that are needed first
	answer string
	whole  bool // each word was understood
}

// read reads a question.
func read(question string, results map[call]string) reading {
	d := &desk{results: results}
	words := split(question)
	names := resolve(words, d)
	if len(d.wanted) > 0 {
		return reading{calls: d.wanted}
	}
	q := understand(words, names)
	for _, phrase := range q.searches {
		if d.call("listFilms", map[string][]string{"q": {phrase}, "page_size": {"1"}}).Total == 0 && len(d.wanted) == 0 || !q.set("q", phrase) {
			q.unread = append(q.unread, "about "+phrase)
		}
	}
	if len(d.wanted) > 0 {
		return reading{calls: d.wanted}
	}
	text := q.answer(d)
	return reading{d.wanted, q.heading() + text, len(q.unread) == 0}
}

// understand reads the terms of a question.
func understand(words []token, names []name) *query {
	q := &query{terms: terms(words, names), args: map[string][]string{}, said: map[string]string{}}
	for _, n := range names {
		q.films = append(q.films, n.films...)
	}
	q.parse()
	return q
}

// unreads records words that were read but cannot be used.
func (q *query) unreads(words ...string) { q.unread = append(q.unread, words...) }

// answer makes the calls that the question needs and answers from their results.
func (q *query) answer(d *desk) string {
	first := ""
	if len(q.facts) > 0 {
		first = q.facts[0].name
	}
	things := len(q.args) == 0 && q.order == nil && len(q.searches) == 0
	for _, f := range q.facts {
		if f.name == "actors" && !strings.HasPrefix(stem(f.text), "actor") && !strings.HasPrefix(stem(f.text), "actress") {
			things = things && len(q.actors) == 0
		}
	}
	switch {
	case len(q.films) > 3:
		q.args["title"] = []string{q.films[0].Title}
		return q.list(d)
	case len(q.films) > 0:
		return q.describe(d)
	case things && q.lists != "":
		return q.others(d, q.lists)
	case things && first == "actors" && !q.noun:
		return q.others(d, "listActors")
	case things && first == "category" && len(q.actors) == 0 && (!q.noun || q.facts[0].at < q.nounAt):
		return q.others(d, "listCategories")
	default:
		return q.list(d)
	}
}

// heading says how the question was read, and which words were not used.
func (q *query) heading() string {
	var b strings.Builder
	if said := q.says(); said != "" {
		b.WriteString("Looked for: " + said + ".\n")
	}
	if len(q.unread) > 0 {
		quoted := make([]string, len(q.unread))
		for i, w := range q.unread {
			quoted[i] = strconv.Quote(w)
		}
		b.WriteString("Not understood, and not used: " + strings.Join(quoted, ", ") + ".\n")
	}
	return b.String()
}

// asFacts are the facts that conditions on a named film ask about.
var asFacts = map[string]string{"category": "category", "rating": "rating", "special_feature": "features", "streaming_available": "streaming",
	"in_stock": "stock", "store_id": "stock", "language": "language"}

// describe answers about the films that the question names.
func (q *query) describe(d *desk) string {
	var facts []string
	for _, f := range q.facts {
		facts = append(facts, f.name)
	}
	for arg := range q.args {
		measure := strings.TrimSuffix(strings.TrimSuffix(arg, "_min"), "_max")
		facts = append(facts, cmp.Or(asFacts[arg], measure))
	}
	if len(q.actors) > 0 {
		facts = append(facts, "actors")
	}
	if q.order != nil || q.lists != "" || q.args["page_size"] != nil || q.counts && len(facts) == 0 {
		q.unreads("order or number")
	}
	slices.Sort(facts)
	var lines []string
	for _, f := range q.films {
		id := map[string][]string{"film_id": {strconv.Itoa(int(f.FilmID))}}
		detail := d.call("getFilm", id)
		var answers []string
		for _, fact := range slices.Compact(facts) {
			if fact == "due" {
				answers = append(answers, due(detail, d.call("listFilmInventory", id)))
			} else {
				answers = append(answers, sentence(detail, fact))
			}
		}
		if len(facts) == 0 {
			answers = []string{detail.cited() + ": " + detail.row(nil) + ".", detail.Description}
		}
		lines = append(lines, strings.Join(answers, " "))
	}
	return strings.Join(lines, "\n")
}

// listFacts are the facts that listFilms returns.
var listFacts = []string{"release_year", "category", "rating", "length", "rental_rate", "rental_duration", "replacement_cost", "features", "language"}

// list answers with the films that meet the conditions.
func (q *query) list(d *desk) string {
	var columns []string
	for _, f := range q.facts {
		switch {
		case slices.Contains(listFacts, f.name):
			columns = append(columns, f.name)
		case f.name == "available", f.name == "actors" && len(q.actors) > 0:
		default:
			q.unreads(f.text)
		}
	}
	if len(q.actors) > 0 {
		q.args["actor"] = q.actors
	}
	if q.lists != "" || q.counts && q.order != nil {
		q.unreads("how many")
	}
	if !q.noun && len(q.args) == 0 && q.order == nil {
		q.unreads("the question")
		return "No condition for films was understood."
	}
	page, best := q.page(d)
	count := strconv.FormatInt(page.Total, 10) + " films"
	if page.Total == 1 {
		count = "1 film"
	}
	switch {
	case page.Total == 0:
		return "No film in the catalogue fits."
	case q.counts:
		return "The catalogue has " + count + "."
	case len(page.Items) < int(page.Total):
		count = strconv.Itoa(len(page.Items)) + " of " + count
	}
	lines := []string{best + count + ":"}
	for _, f := range page.Items {
		lines = append(lines, "- "+f.cited()+": "+f.row(columns)+".")
	}
	return strings.Join(lines, "\n")
}

// page gets the films of the first page. For a superlative, it first asks for the best value and then for the
// films that have it.
func (q *query) page(d *desk) (record, string) {
	args := q.args
	if args["page_size"] == nil {
		args["page_size"] = []string{maxListed}
	}
	if q.counts {
		args["page_size"] = []string{"1"}
	}
	if q.order == nil {
		return d.call("listFilms", args), ""
	}
	args["sort"] = []string{q.order.name}
	if q.plural {
		return d.call("listFilms", args), ""
	}
	args["page_size"] = []string{"1"}
	first := d.call("listFilms", args)
	if len(first.Items) == 0 {
		return first, ""
	}
	measure := strings.TrimPrefix(q.order.name, "-")
	best := first.Items[0].value(measure)
	if best == "" {
		return record{}, ""
	}
	args["page_size"], args[measure+"_min"], args[measure+"_max"] = []string{maxListed}, []string{best}, []string{best}
	return d.call("listFilms", args), "The " + q.order.text + ": "
}

// value is the value of a measure, or empty.
func (f record) value(measure string) string {
	v := map[string]string{"length": strconv.Itoa(f.Length), "release_year": strconv.Itoa(f.ReleaseYear), "rental_rate": f.RentalRate, "replacement_cost": f.ReplacementCost}[measure]
	if v == "0" || strings.HasPrefix(v, "-") {
		return ""
	}
	return v
}

// others answers with a list of something other than films.
func (q *query) others(d *desk, tool string) string {
	args := map[string][]string{}
	if len(q.actors) > 0 {
		args["q"] = []string{strings.Join(q.actors, " ")}
	}
	page := d.call(tool, args)
	total := max(page.Total, int64(len(page.Items)))
	var lines []string
	for _, r := range page.Items {
		switch tool {
		case "listStores":
			lines = append(lines, fmt.Sprintf("- Store %d: %s, %s, %s.", r.StoreID, r.Address, r.City, r.Country))
		case "listActors":
			lines = append(lines, fmt.Sprintf("- %s %s: films %d.", r.FirstName, r.LastName, r.FilmCount))
		default:
			lines = append(lines, fmt.Sprintf("- %s: films %d.", r.Name, r.FilmCount))
		}
	}
	if q.order != nil || len(q.films) > 0 {
		q.unreads("order")
	}
	return fmt.Sprintf("%d of %d:\n%s", len(lines), total, strings.Join(lines, "\n"))
}

// cited is a film's title with its number, as answers cite it.
func (f record) cited() string { return fmt.Sprintf("%s [%d]", f.Title, f.FilmID) }

// row has facts of a film, or its main facts.
func (f record) row(facts []string) string {
	if len(facts) == 0 {
		facts = []string{"release_year", "category", "rating", "length", "rental_rate"}
	}
	var row []string
	for _, fact := range facts {
		if text := f.fact(fact); text != "" && !slices.Contains(row, text) {
			row = append(row, text)
		}
	}
	return strings.Join(row, ", ")
}

// fact is a fact about a film in a few words, or empty if it is not known.
func (f record) fact(name string) string {
	known := func(n int, unit string) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n) + unit
	}
	money := func(sum, what string) string {
		if sum == "" {
			return ""
		}
		return "$" + sum + what
	}
	switch name {
	case "release_year":
		return known(f.ReleaseYear, "")
	case "category":
		return cmp.Or(strings.Join(f.Categories, ", "), f.Category)
	case "rating":
		return f.Rating
	case "length":
		return known(f.Length, " minutes")
	case "rental_rate":
		return money(f.RentalRate, fmt.Sprintf(" for %d days", f.RentalDuration))
	case "rental_duration":
		return fmt.Sprintf("rented for %d days", f.RentalDuration)
	case "replacement_cost":
		return money(f.ReplacementCost, " to replace")
	case "features":
		return cmp.Or(strings.Join(f.SpecialFeatures, ", "), "no special features")
	case "language":
		return f.Language
	case "description":
		return f.Description
	case "streaming":
		if f.StreamingAvailable {
			return "available for streaming"
		}
		return "not available for streaming"
	default:
		return ""
	}
}

// sentence is a fact about a film in a sentence.
func sentence(f record, fact string) string {
	switch fact {
	case "actors":
		names := make([]string, len(f.Actors))
		for i, a := range f.Actors {
			names[i] = a.FirstName + " " + a.LastName
		}
		return fmt.Sprintf("%s has %d actors: %s.", f.cited(), len(names), cmp.Or(strings.Join(names, ", "), "none is known"))
	case "stock", "available":
		stores := make([]string, len(f.Availability))
		for i, a := range f.Availability {
			stores[i] = fmt.Sprintf("store %d has %v of its %d copies", a.StoreID, a.InStock, a.Copies)
		}
		return f.cited() + " in stock: " + cmp.Or(strings.Join(stores, ", "), "no store has a copy") + "."
	case "rating":
		if meaning := ratingMeanings[f.Rating]; meaning != "" {
			return fmt.Sprintf("%s is rated %s: %s.", f.cited(), f.Rating, meaning)
		}
	}
	return f.cited() + ": " + cmp.Or(f.fact(fact), "the catalogue does not say") + "."
}

// ratingMeanings are the Motion Picture Association's ratings in our words.
var ratingMeanings = map[string]string{
	"G":     "anyone may watch it, children too",
	"PG":    "some of it may not suit young children",
	"PG-13": "some of it does not suit children under 13",
	"R":     "it is not for children, and those under 17 need an adult beside them",
	"NC-17": "it is for adults only",
}

// due says when the copies of a film that are out are due.
func due(f, copies record) string {
	var dates []string
	for _, c := range copies.Items {
		if c.DueDate != "" {
			dates = append(dates, fmt.Sprintf("a copy of store %d on %s", c.StoreID, c.DueDate))
		}
	}
	return f.cited() + " is due back: " + cmp.Or(strings.Join(dates, ", "), "no copy is out") + "."
}

// says says how the question was read.
func (q *query) says() string {
	var parts []string
	for _, f := range q.films {
		parts = append(parts, f.Title)
	}
	for _, name := range []string{"category", "rating", "language", "special_feature"} {
		if values := q.args[name]; values != nil {
			parts = append(parts, cmp.Or(q.said[name], strings.Join(values, " or ")))
		}
	}
	for _, a := range q.actors {
		parts = append(parts, "an actor “"+a+"”")
	}
	units := [][3]string{{"length", "", " minutes"}, {"rental_rate", "rent $", ""}, {"replacement_cost", "replacement $", ""}, {"rental_duration", "", " days"}, {"release_year", "from ", ""}}
	for _, u := range units {
		low, high := q.args[u[0]+"_min"], q.args[u[0]+"_max"]
		switch {
		case low != nil && high != nil && low[0] == high[0]:
			parts = append(parts, u[1]+low[0]+u[2])
		case low != nil && high != nil:
			parts = append(parts, u[1]+low[0]+" to "+high[0]+u[2])
		case low != nil:
			parts = append(parts, "at least "+u[1]+low[0]+u[2])
		case high != nil:
			parts = append(parts, "at most "+u[1]+high[0]+u[2])
		}
	}
	for _, name := range []string{"title", "q", "streaming_available", "in_stock"} {
		if v := q.args[name]; v != nil {
			parts = append(parts, cmp.Or(q.said[name], name+" “"+v[0]+"”"))
		}
	}
	if v := q.args["store_id"]; v != nil {
		parts = append(parts, "store "+v[0])
	}
	if q.order != nil {
		parts = append(parts, q.order.text)
	}
	for _, f := range q.facts {
		parts = append(parts, f.name)
	}
	return strings.Join(parts, ", ")
}

// single is the call of [Search]. A name decides over conditions, because it tells more.
func single(question string) json.RawMessage {
	words := split(question)
	q := understand(words, nil)
	delete(q.args, "page_size")
	var phrase []string
	for _, run := range unknownRuns(words) {
		part := words[run.at : run.at+run.len]
		if len(q.args) == 0 || run.len > 1 || capital(part[0].text) {
			phrase = append(phrase, texts(part))
		}
	}
	args := q.args
	if text := strings.Join(phrase, " or "); text != "" && len(text) <= 200 {
		args = map[string][]string{"q": {text}}
	} else if q.order != nil {
		args["sort"] = []string{q.order.name}
	}
	args["page_size"] = []string{maxListed}
	raw, _ := json.Marshal(typed(args)) // strings and numbers can be marshalled
	return raw
}
