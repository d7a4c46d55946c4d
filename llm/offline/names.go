package offline

import (
	"maps"
	"slices"
	"strings"
)

// maxLookups is how many phrases of a question are looked up. Each takes two calls.
const maxLookups = 5

// dictionary is the vocabulary with the names in a question. It looks up phrases outside the vocabulary as titles and as
// names of actors. A phrase may also be a part of an actor's name or, if it is none, the first words of one title.
func (c *conversation) dictionary(words []string) map[string]term {
	names, question := maps.Clone(meanings), terms(words, meanings)
	phrases := slices.DeleteFunc(slices.Clone(question), func(t term) bool { return t.kind != "unknown" || len(t.text) > 100 })
	for _, phrase := range phrases[:min(len(phrases), maxLookups)] {
		key := stems(split(phrase.text))
		var begin []term
		for _, f := range itemsOf(c.call("listFilms", map[string]any{"title": phrase.text, "count": "none"})) {
			title := stems(split(say(f["title"])))
			names[title] = term{kind: "filler", film: f}
			if strings.HasPrefix(title, key+" ") {
				begin = append(begin, names[title])
			}
		}
		if len(begin) == 1 && asksFact(question) {
			names[key] = begin[0]
		}
		for _, a := range itemsOf(c.call("listActors", map[string]any{"q": phrase.text})) {
			name := say(a["first_name"]) + " " + say(a["last_name"])
			names[stems(split(name))] = actor(name)
			if strings.Contains(" "+stems(split(name))+" ", " "+key+" ") && isName(words, phrase.text) {
				names[key] = actor(phrase.text)
			}
		}
	}
	return names
}

func actor(name string) term {
	return term{kind: "all", parameter: "actor", value: name, says: "an actor whose name has “" + name + "”"}
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
		at == last && slices.Contains(strings.Fields("with by star starring starred featuring and"), words[at-1]))
}
