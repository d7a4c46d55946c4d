package offline

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// record has the members of the responses of all tools.
type record struct {
	FilmID             int32    `json:"film_id"`
	Title              string   `json:"title"`
	Description        string   `json:"description"`
	ReleaseYear        int      `json:"release_year"`
	Language           string   `json:"language"`
	Category           string   `json:"category"`
	Rating             string   `json:"rating"`
	Length             int      `json:"length"`
	RentalRate         string   `json:"rental_rate"`
	RentalDuration     int      `json:"rental_duration"`
	ReplacementCost    string   `json:"replacement_cost"`
	SpecialFeatures    []string `json:"special_features"`
	StreamingAvailable bool     `json:"streaming_available"`
	Categories         []string `json:"categories"`
	Actors             []record `json:"actors"`
	Availability       []record `json:"availability"`
	ActorID            int32    `json:"actor_id"`
	FirstName          string   `json:"first_name"`
	LastName           string   `json:"last_name"`
	Name               string   `json:"name"`
	FilmCount          int64    `json:"film_count"`
	StoreID            int32    `json:"store_id"`
	Address            string   `json:"address"`
	City               string   `json:"city"`
	Country            string   `json:"country"`
	Copies             int      `json:"copies"`
	InStock            any      `json:"in_stock"` // a number of copies, or whether a copy is
	DueDate            string   `json:"due_date"`
	Items              []record `json:"items"`
	Total              int64    `json:"total"`
}

// call is a call of a tool.
type call struct{ name, arguments string }

// desk makes calls. Their results come later: what the reader reads is read again then.
type desk struct {
	results map[call]string
	wanted  []call
}

// call returns the result of a call, which is empty until there is one.
func (d *desk) call(name string, args map[string][]string) record {
	raw, err := json.Marshal(typed(args))
	c := call{name, string(raw)}
	var r record
	result, known := d.results[c]
	if !known && err == nil && !slices.Contains(d.wanted, c) {
		d.wanted = append(d.wanted, c)
	}
	if known && json.Unmarshal([]byte(result), &r) != nil {
		return record{}
	}
	return r
}

// typed gives arguments the types of the contract.
func typed(args map[string][]string) map[string]any {
	out := map[string]any{}
	for name, values := range args {
		n, err := strconv.ParseInt(values[0], 10, 32)
		switch {
		case slices.Contains([]string{"category", "rating", "language", "actor", "special_feature"}, name):
			out[name] = values
		case name == "actor_id":
			out[name] = []int64{n}
		case name == "streaming_available" || name == "in_stock":
			out[name] = values[0] == "true"
		case err == nil && !slices.Contains([]string{"q", "title", "rental_rate_min", "rental_rate_max", "replacement_cost_min", "replacement_cost_max"}, name):
			out[name] = n
		default:
			out[name] = values[0]
		}
	}
	return out
}

// name is a name in a question.
type name struct {
	kind    byte
	at, len int // of its tokens
	value   string
	films   []record
}

// maxLookups is how many unknown phrases of a question are looked up. Two calls are made for each.
const maxLookups = 4

// resolve looks up which unknown phrases of a question are names: first the whole phrases, then their words.
func resolve(words []token, d *desk) []name {
	runs := unknownRuns(words)
	var names []name
	tried := 0
	for _, whole := range []bool{true, false} {
		var next []name
		for _, run := range runs {
			if tried++; tried > maxLookups {
				break
			}
			found := d.lookUp(words, run)
			if whole && run.len > 1 && found == nil {
				for i := range run.len {
					next = append(next, name{at: run.at + i, len: 1})
				}
			}
			names = append(names, found...)
		}
		if len(d.wanted) > 0 {
			return nil
		}
		runs = next
	}
	// The longest name wins where names overlap.
	slices.SortStableFunc(names, func(a, b name) int { return b.len - a.len })
	var apart []name
	for _, n := range names {
		if !slices.ContainsFunc(apart, func(o name) bool { return n.at < o.at+o.len && o.at < n.at+n.len }) {
			apart = append(apart, n)
		}
	}
	slices.SortFunc(apart, func(a, b name) int { return a.at - b.at })
	return apart
}

// unknownRuns finds the phrases that are not in the vocabulary, or that are written like a title.
func unknownRuns(words []token) []name {
	var runs []name
	shouting := !slices.ContainsFunc(words, func(w token) bool { return strings.ToUpper(w.text) != w.text })
	before := -1
	for _, t := range terms(words, nil) {
		last := len(runs) - 1
		switch {
		case t.kind != unknown:
		case last >= 0 && before == t.at-1:
			runs[last].len++
		default:
			runs = append(runs, name{at: t.at, len: 1})
		}
		if t.kind == unknown {
			before = t.at
		}
	}
	title := func(w token) bool { return len(w.text) > 1 && strings.ToLower(w.text) != w.text && strings.ToUpper(w.text) == w.text }
	for at := 0; at < len(words) && !shouting; at++ {
		n := 0
		for at+n < len(words) && title(words[at+n]) {
			n++
		}
		known := !slices.ContainsFunc(runs, func(r name) bool { return r.at >= at && r.at < at+n })
		if n > 1 && known {
			runs = append(runs, name{at: at, len: n})
		}
		at += n
	}
	return runs
}

// lookUp looks up a phrase as a title and as an actor's name.
func (d *desk) lookUp(words []token, run name) []name {
	phrase := texts(words[run.at : run.at+run.len])
	if len(phrase) > 100 {
		return nil
	}
	films := d.call("listFilms", map[string][]string{"title": {phrase}, "count": {"none"}})
	actors := d.call("listActors", map[string][]string{"q": {phrase}})
	var names []name
	for _, f := range films.Items {
		if at, n := find(words, f.Title); n > 0 {
			names = append(names, name{film, at, n, f.Title, []record{f}})
		}
	}
	for _, a := range actors.Items {
		if at, n := find(words, a.FirstName+" "+a.LastName); n > 0 {
			names = append(names, name{actor, at, n, texts(words[at : at+n]), nil})
		}
	}
	if names != nil {
		return names
	}
	part := words[run.at : run.at+run.len]
	for _, a := range actors.Items {
		if _, n := find(split(a.FirstName+" "+a.LastName), phrase); n > 0 && introduced(words, run) {
			return []name{{actor, run.at, run.len, phrase, nil}}
		}
	}
	begin := slices.DeleteFunc(films.Items, func(f record) bool { return !strings.HasPrefix(stems(split(f.Title))+" ", stems(part)+" ") })
	if len(begin) > 0 && plain(words, run) {
		return []name{{film, run.at, run.len, phrase, begin}}
	}
	return nil
}

// find finds a phrase among words.
func find(words []token, phrase string) (at, n int) {
	want := split(phrase)
	for at := range len(words) - len(want) + 1 {
		if len(want) > 0 && stems(words[at:at+len(want)]) == stems(want) {
			return at, len(want)
		}
	}
	return 0, 0
}

// introducers come before the name of an actor.
var introducers = strings.Fields("with by star starring starred featuring feature actor actress did doe has is named called and or does")

// introduced reports whether part of a name is an actor's. Many names are also words, such as Hope and Rock.
func introduced(words []token, run name) bool {
	if run.len > 1 {
		return true
	}
	if run.at > 0 && capital(words[run.at].text) && slices.ContainsFunc(words, func(w token) bool { return !capital(w.text) }) {
		return true
	}
	if run.at == 0 || !slices.Contains(introducers, words[run.at-1].stem) {
		return false
	}
	rest := terms(words[run.at+1:], nil)
	return len(rest) == 0 || rest[0].at > 0 || strings.IndexByte("v?hun", rest[0].kind) < 0
}

// plain reports whether a question gives no condition beside a phrase, so that the phrase may be a part of a
// title.
func plain(words []token, run name) bool {
	for _, t := range terms(words, []name{{kind: film, at: run.at, len: run.len}}) {
		if strings.IndexByte("?hsbnluxo!q", t.kind) >= 0 || t.kind == value && t.name == "category" {
			return false
		}
	}
	return true
}
