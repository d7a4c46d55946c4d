package offline

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxLookups is how many phrases of a question are looked up. Each takes two calls.
const maxLookups = 4

// maxNamed is how many films, and how many actors, with a phrase in their name are looked up. If there are more, the
// phrase names none of them.
const maxNamed = 5

// dictionary is the vocabulary with the names in a question. It looks up phrases outside the vocabulary as titles and as
// names of actors.
func (c *conversation) dictionary(words []string) map[string]term {
	names, question := maps.Clone(meanings), terms(words, meanings)
	known := func(t term) bool { return t.kind != "unknown" || len(t.text) > 100 }
	phrases := slices.DeleteFunc(slices.Clone(question), known)
	for _, phrase := range phrases[:min(len(phrases), maxLookups)] {
		films := c.call("listFilms", map[string]any{"title": phrase.text, "count": "none", "page_size": maxNamed})
		titles(names, itemsOf(films), phrase.text, asksFact(question))
		actors := itemsOf(c.call("listActors", map[string]any{"q": phrase.text, "page_size": maxNamed}))
		for _, a := range actors {
			actor(names, actors, nameOf(a))
		}
		if isName(words, phrase.text) {
			actor(names, actors, phrase.text)
		}
	}
	return names
}

// titles adds the titles of all films that have a phrase in it. A phrase may also be the first words of the only one.
func titles(names map[string]term, films []record, phrase string, begins bool) {
	key := stems(split(phrase))
	for _, f := range films {
		title := stems(split(fmt.Sprint(f["title"])))
		others := func(g record) bool { return stems(split(fmt.Sprint(g["title"]))) != title }
		names[title] = term{kind: "filler", films: slices.DeleteFunc(slices.Clone(films), others)}
		if begins && len(films) == 1 && strings.HasPrefix(title+" ", key+" ") {
			names[key] = names[title]
		}
	}
}

// record is an object of a response.
type record = map[string]any

// itemsOf are the objects on a page, or none if the page does not have all of them.
func itemsOf(page record) (items []record) {
	values, _ := page["items"].([]any)
	all := page["total"] == nil || page["total"] == json.Number(strconv.Itoa(len(values)))
	if !all || page["next_cursor"] != nil || page["left_out"] != nil {
		return nil
	}
	for _, v := range values {
		object, _ := v.(record)
		items = append(items, object)
	}
	return items
}

func nameOf(a record) string { return fmt.Sprint(a["first_name"], " ", a["last_name"]) }

// actor adds a name, or whole words of one, unless it is also a part of a word of another name: listFilms looks for any
// part of a name.
func actor(names map[string]term, actors []record, name string) {
	key := stems(split(name))
	within := func(a record) bool {
		whole := strings.Contains(" "+stems(split(nameOf(a)))+" ", " "+key+" ")
		return !whole && strings.Contains(strings.ToLower(nameOf(a)), strings.ToLower(name))
	}
	if len(actors) > 0 && !slices.ContainsFunc(actors, within) {
		names[key] = term{kind: "all", parameter: "actor", value: name, says: "with " + name}
	}
}

// asksFact reports whether a question asks for facts about one film, so that an unknown phrase is its title.
func asksFact(question []term) bool {
	about := []string{"filler", "fact", "role", "measure", "unknown"}
	return !slices.ContainsFunc(question, func(t term) bool { return !slices.Contains(about, t.kind) || t.text == "The" })
}

// isName reports whether a part of an actor's name is meant as a name. Many names are also words, such as Hope and
// Rock, so it has to be capitalized among other words.
func isName(words []string, part string) bool {
	small := func(w string) bool { return strings.ToLower(w) == w }
	return words[0] != part && !small(part) && slices.ContainsFunc(words, small)
}
