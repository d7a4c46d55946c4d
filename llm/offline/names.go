package offline

import (
	"slices"
	"strings"
)

// name is the name of a film or an actor in a question, or a part of it.
type name struct {
	term
	films []record
}

// maxLookups is how many phrases of a question are looked up. Each takes two calls.
const maxLookups = 5

// resolve looks up which phrases outside the vocabulary are names: first the whole phrases, and then the words of
// those that are not. The longest of overlapping names counts.
func resolve(words []string, d *desk) []name {
	var found, names []name
	phrases, left := unknowns(words), maxLookups
	for ; len(phrases) > 0 && left > 0; left-- {
		t, wanted := phrases[0], len(d.wanted)
		hits := d.lookUp(words, t)
		for i := 0; hits == nil && len(d.wanted) == wanted && t.len > 1 && i < t.len; i++ {
			phrases = append(phrases, term{unknown, t.at + i, 1})
		}
		phrases, found = phrases[1:], append(found, hits...)
	}
	slices.SortStableFunc(found, func(a, b name) int { return b.len - a.len })
	for _, n := range found {
		if !slices.ContainsFunc(names, func(o name) bool { return n.at < o.at+o.len && o.at < n.at+n.len }) {
			names = append(names, n)
		}
	}
	return names
}

// unknowns finds the phrases outside the vocabulary.
func unknowns(words []string) []term {
	var all []term
	for _, t := range terms(words, nil) {
		last := len(all) - 1
		switch {
		case t.meaning != unknown:
		case last >= 0 && all[last].at+all[last].len == t.at:
			all[last].len++
		default:
			all = append(all, t)
		}
	}
	return all
}

// lookUp looks up a phrase as a title and as the name of an actor. Names that contain it count first, since the
// rest of a name may have a meaning of its own.
func (d *desk) lookUp(words []string, t term) []name {
	phrase := strings.Join(words[t.at:t.at+t.len], " ")
	if len(phrase) > 100 {
		return nil
	}
	var whole, part []name
	var begin []record
	for _, f := range d.call("listFilms", map[string]any{"title": phrase, "count": "none"}).list("items") {
		if at, n := find(words, f.text("title")); n > 0 {
			whole = append(whole, name{term{"@film", at, n}, []record{f}})
		} else if at, n := find(split(f.text("title")), phrase); n > 0 && at == 0 && plain(words, t) {
			begin = append(begin, f)
			part = []name{{term{"@film", t.at, t.len}, begin}}
		}
	}
	for _, a := range d.call("listActors", map[string]any{"q": phrase}).list("items") {
		full := a.text("first_name") + " " + a.text("last_name")
		if at, n := find(words, full); n > 0 {
			whole = append(whole, name{term{"@actor=" + strings.Join(words[at:at+n], "+"), at, n}, nil})
		} else if _, n := find(split(full), phrase); n > 0 && introduced(words, t) {
			part = []name{{term{"@actor=" + strings.ReplaceAll(phrase, " ", "+"), t.at, t.len}, nil}}
		}
	}
	if whole == nil {
		return part
	}
	return whole
}

// find finds a phrase among words.
func find(words []string, phrase string) (at, n int) {
	want := split(phrase)
	for at := range len(words) - len(want) + 1 {
		if len(want) > 0 && stems(words[at:at+len(want)]) == stems(want) {
			return at, len(want)
		}
	}
	return 0, 0
}

// introduced reports whether a part of a name is an actor's. Many names are also words, such as Hope and Rock.
func introduced(words []string, t term) bool {
	if t.len > 1 || t.at == 0 {
		return t.len > 1
	}
	small := func(w string) bool { return strings.ToLower(w) == w }
	next := terms(words[t.at+1:], nil)
	ends := len(next) == 0 || strings.ContainsAny(next[0].meaning, ".,&<>") || next[0].meaning == "or"
	return !small(words[t.at]) && slices.ContainsFunc(words, small) ||
		ends && slices.Contains(strings.Fields("with by star starring starred featuring did doe has and or"), stems(words[t.at-1:t.at]))
}

// plain reports whether a question has no condition beside a phrase, so that the phrase may begin a title. "The"
// before it begins another one.
func plain(words []string, t term) bool {
	return (t.at < 2 || words[t.at-1] != "The") && !slices.ContainsFunc(terms(words, []name{{term{"@film", t.at, t.len}, nil}}), func(t term) bool {
		return strings.ContainsAny(t.meaning, "?<>~=0123456789") || slices.Contains([]string{"x", "film", "not"}, t.meaning)
	})
}
