package offline

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxLookups is how many phrases of a question are looked up. Each takes two calls.
const maxLookups = 4

// maxNamed is how many films with a phrase in the title are looked up. If there are more, it names none of them.
const maxNamed = 5

// maxActors is how many actors with a phrase in the name are looked up. If there are more, it names none of them.
const maxActors = 10

// dictionary is the vocabulary with the names in a question. It looks up phrases outside the vocabulary as titles and as
// names of actors.
func (c *conversation) dictionary(words []string) map[string]term {
	names, question := maps.Clone(meanings), terms(words, meanings)
	phrases := slices.DeleteFunc(slices.Clone(question), func(t term) bool { return t.kind != "unknown" || len(t.text) > 100 })
	for _, phrase := range phrases[:min(len(phrases), maxLookups)] {
		films := c.call("listFilms", map[string]any{"title": phrase.text, "count": "none", "page_size": maxNamed})
		if films["next_cursor"] == nil && films["left_out"] == nil {
			titles(names, itemsOf(films), phrase.text, asksFact(question))
		}
		people := c.call("listActors", map[string]any{"page_size": maxActors, "q": phrase.text})
		actors := itemsOf(people)
		if say(people["total"]) != strconv.Itoa(len(actors)) {
			continue
		}
		for _, a := range actors {
			actor(names, actors, nameOf(a))
		}
		if isName(words, phrase.text) {
			actor(names, actors, phrase.text)
		}
	}
	return names
}

// IsLookup reports whether a call with these arguments only looks a name up. The films that it finds are no sources.
func IsLookup(arguments json.RawMessage) bool {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(arguments, &members) // arguments that are not an object look nothing up
	return members["title"] != nil
}

// titles adds the titles of all films that have a phrase in it. A phrase may also be the first words of one title.
func titles(names map[string]term, films []record, phrase string, begins bool) {
	key, begin := stems(split(phrase)), []string(nil)
	for _, f := range films {
		title := stems(split(say(f["title"])))
		others := func(g record) bool { return stems(split(say(g["title"]))) != title }
		names[title] = term{kind: "filler", films: slices.DeleteFunc(slices.Clone(films), others)}
		if strings.HasPrefix(title+" ", key+" ") {
			begin = append(begin, title)
		}
	}
	if begin = slices.Compact(begin); begins && len(begin) == 1 {
		names[key] = names[begin[0]]
	}
}

func nameOf(actor record) string { return say(actor["first_name"]) + " " + say(actor["last_name"]) }

// actor adds a name, or whole words of one. If several actors have these words, they are only used if no other name
// contains them, since listFilms looks for any part of a name.
func actor(names map[string]term, actors []record, name string) {
	key, found, whole, parts := stems(split(name)), record{}, 0, 0
	for _, a := range actors {
		if strings.Contains(" "+stems(split(nameOf(a)))+" ", " "+key+" ") {
			found, whole = a, whole+1
		} else if strings.Contains(strings.ToLower(nameOf(a)), strings.ToLower(name)) {
			parts++
		}
	}
	if whole == 1 {
		names[key] = term{kind: "all", parameter: "actor_id", value: say(found["actor_id"]), says: "with " + nameOf(found)}
	} else if whole > 1 && parts == 0 {
		names[key] = term{kind: "all", parameter: "actor", value: name, says: "an actor whose name has “" + name + "”"}
	}
}

// asksFact reports whether a question asks for facts about one film, so that an unknown phrase is its title.
func asksFact(question []term) bool {
	about := []string{"filler", "fact", "measure", "role", "unknown"}
	return !slices.ContainsFunc(question, func(t term) bool { return !slices.Contains(about, t.kind) || t.text == "The" })
}

// isName reports whether a part of an actor's name is meant as a name. Many names are also words, such as Hope and
// Rock. A single one has to be capitalized among other words, or to end the question after a word like "starring".
func isName(words []string, part string) bool {
	small := func(w string) bool { return strings.ToLower(w) == w }
	at, last := slices.Index(words, part), len(words)-1
	return at < 0 || at > 0 && (!small(part) && slices.ContainsFunc(words, small) ||
		at == last && slices.Contains(strings.Fields("by star starring starred featuring"), words[at-1]))
}
