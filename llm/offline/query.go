package offline

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// query is what a question asks for, as far as it was understood.
type query struct {
	args   map[string][]string // of listFilms
	rest   string              // the meanings that are still to be read, each between blanks of its own
	read   []string            // what was understood, as an answer says it
	unread []string            // words that were not
	lists  []string            // "film", or what else is asked for
	due    bool                // when copies are due
	films  []record            // that the question names
}

// The conditions of a question in the notation of the vocabulary.
var (
	id     = regexp.MustCompile(`^[1-9]\d{0,8}$`)
	pair   = regexp.MustCompile(`\[(\w+)=(\S+)\]`)
	values = []*regexp.Regexp{anyOf("category"), anyOf("rating"), anyOf("language"), regexp.MustCompile(`(?: & )?(?: not )? \[\w+=\S+\] `)}
)

// anyOf matches values of a parameter of which a film may have any.
func anyOf(parameter string) *regexp.Regexp {
	value := ` \[` + parameter + `=\S+\] `
	return regexp.MustCompile(`(?: & )?(?: not )?` + value + `(?:(?: film )?(?: (?:,|&|or) )+` + value + `)*`)
}

// newQuery reads a question.
func newQuery(words []string, names []name) *query {
	q := &query{args: map[string][]string{}}
	text := map[string]string{} // what the meanings are in the question
	for _, t := range terms(words, names) {
		for meaning := range strings.FieldsSeq(t.meaning) {
			if meaning == unknown {
				meaning += words[t.at]
			}
			text[meaning] = strings.Join(words[t.at:t.at+t.len], " ")
			q.rest += " " + meaning + " "
		}
	}
	q.rest = strings.ReplaceAll(q.rest, " . ", "")
	for _, s := range spellings {
		q.rest = s.pattern.ReplaceAllString(q.rest, s.by)
	}
	q.rest = amounts.ReplaceAllStringFunc(q.rest, q.amount)
	for _, list := range values {
		q.rest = list.ReplaceAllStringFunc(q.rest, q.values)
	}
	meanings := strings.Fields(q.rest)
	for i, m := range meanings {
		next := append(meanings, "")[i+1]
		if m == "store" && id.MatchString(next) && q.set("store_id", "in store "+next, next) {
			meanings[i+1] = ","
		} else if i > 0 && meanings[i-1] == "not" || !q.leftover(m, next) {
			q.unread = append(q.unread, cmp.Or(text[m], strings.Split(m, "*")[0]))
		}
	}
	return q
}

// set sets an argument that has no value yet, and reports whether it did.
func (q *query) set(parameter, reading string, values ...string) bool {
	if q.args[parameter] != nil {
		return false
	}
	q.args[parameter], q.read = values, append(q.read, reading)
	return true
}

// values reads a list of values of one parameter, and returns what is still to be read.
func (q *query) values(text string) string {
	var all, phrases []string
	parameter, negated := "", strings.Contains(text, " not ")
	for _, match := range pair.FindAllStringSubmatch(text, -1) {
		parameter = match[1]
		all = append(all, strings.Split(strings.ReplaceAll(match[2], "+", " "), "|")...)
		phrases = append(phrases, said[match[0]])
	}
	reading := strings.Join(phrases, " or ")
	if negated {
		all, reading = slices.DeleteFunc(strings.Fields("G PG PG-13 R NC-17"), func(r string) bool { return slices.Contains(all, r) }), "not "+reading
	}
	either := strings.HasPrefix(text, " & ") && (parameter == "category" || parameter == "rating") // perhaps either of two kinds of films
	if old := q.args["special_feature"]; parameter == "special_feature" && old != nil && !negated {
		q.args[parameter], q.read = append(old, all...), append(q.read, reading)
		return " , "
	}
	if either || negated && parameter != "rating" || !q.set(parameter, reading, all...) {
		return text
	}
	return " , "
}

// leftover reads a meaning that is neither an amount nor a value, and reports whether it can be used. Answers have
// all facts about a film, so a question for facts needs no more than the film.
func (q *query) leftover(meaning, next string) bool {
	named, sort := strings.Contains(q.rest, " @film "), append(q.args["sort"], "")[0]
	actor, isActor := strings.CutPrefix(meaning, "@actor=")
	switch meaning {
	case "film", "categories", "actors", "stores":
		q.lists = append(q.lists, meaning)
	case "due":
		q.due = true
		return named
	case "detail":
		return named || strings.Contains(q.rest, "@actor=")
	case "features", "store":
		return named
	case "&":
		return next != "film"
	case ",", "to", "count", "fact", "@film":
	default:
		if isActor {
			actor = strings.ReplaceAll(actor, "+", " ")
			q.args["actor"], q.read = append(q.args["actor"], actor), append(q.read, "an actor whose name has “"+actor+"”")
		}
		return isActor || meaning[0] == '#' && (named || meaning != "#release_year") && (sort == "" || strings.TrimPrefix(sort, "-") == meaning[1:])
	}
	return true
}
