package offline

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// query is what a question asks for, as far as it was understood.
type query struct {
	args   map[string]any // of listFilms
	rest   string         // the meanings that are still to be read, each between blanks of its own
	read   []string       // what was understood, as an answer says it
	unread []string       // words that were not
	lists  []string       // "film", or what else is asked for
	due    bool           // when copies are due
	films  []record       // that the question names
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
	q := &query{args: map[string]any{}}
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
	for _, list := range values {
		q.rest = list.ReplaceAllStringFunc(q.rest, q.values)
	}
	q.rest = amounts.ReplaceAllStringFunc(q.rest, q.amount)
	meanings := strings.Fields(q.rest)
	for i, m := range meanings {
		next := append(meanings, "")[i+1]
		if m == "store" && id.MatchString(next) && q.set("store_id", "in store "+next, json.RawMessage(next)) {
			meanings[i+1] = ","
		} else if i > 0 && meanings[i-1] == "not" || !q.leftover(m, next) {
			q.unread = append(q.unread, cmp.Or(text[m], strings.Split(m, "*")[0]))
		}
	}
	return q
}

// set sets an argument that has no value yet, and reports whether it did.
func (q *query) set(parameter, reading string, value any) bool {
	if q.args[parameter] != nil {
		return false
	}
	q.args[parameter], q.read = value, append(q.read, reading)
	return true
}

// add adds a value of which a film must have each.
func (q *query) add(parameter, reading, value string) {
	list, _ := q.args[parameter].([]string)
	if !slices.Contains(list, value) {
		q.args[parameter], q.read = append(list, value), append(q.read, reading)
	}
}

// values reads a list of values of one parameter, and returns what is still to be read.
func (q *query) values(text string) string {
	var list, phrases []string
	parameter, negated, joined := "", strings.Contains(text, " not "), strings.HasPrefix(text, " & ")
	for _, match := range pair.FindAllStringSubmatch(text, -1) {
		parameter = match[1]
		if phrase := said[match[0]]; !slices.Contains(phrases, phrase) {
			list, phrases = append(list, strings.Split(strings.ReplaceAll(match[2], "+", " "), "|")...), append(phrases, phrase)
		}
	}
	reading := strings.Join(phrases, " or ")
	var value any = list
	switch {
	case negated && parameter == "rating":
		value, reading = slices.DeleteFunc(strings.Fields("G PG PG-13 R NC-17"), func(r string) bool { return slices.Contains(list, r) }), "not "+reading
	case negated, joined && (parameter == "category" || parameter == "rating"): // perhaps either of two kinds of films
		return text
	case parameter == "special_feature":
		q.add(parameter, reading, list[0])
		return " , "
	case parameter != "category" && parameter != "rating" && parameter != "language":
		value = json.RawMessage(list[0])
	}
	if !q.set(parameter, reading, value) {
		return text
	}
	return " , "
}

// leftover reads a meaning that is neither an amount nor a value, and reports whether it can be used. Answers have
// all facts about a film, so a question for facts needs no more than the film.
func (q *query) leftover(meaning, next string) bool {
	named := strings.Contains(q.rest, " @film ")
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
	case "#release_year":
		return named
	default:
		if actor, found := strings.CutPrefix(strings.ReplaceAll(meaning, "+", " "), "@actor="); found {
			q.add("actor", "an actor whose name has “"+actor+"”", actor)
			return true
		}
		sort, sorted := q.args["sort"].(json.RawMessage)
		return meaning[0] == '#' && (!sorted || strings.Trim(string(sort), `-"`) == meaning[1:])
	}
	return true
}
