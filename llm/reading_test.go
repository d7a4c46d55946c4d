package llm_test

import (
	"slices"
	"testing"

	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream"
)

// FuzzQuestion asks arbitrary questions. However they are read, the answer comes from the catalogue.
func FuzzQuestion(f *testing.F) {
	for _, question := range []string{
		"Who stars in ACADEMY and in ACADEMY DINOSAUR?", "short PG comedies from $1 to 3, not with Sandra Peck or R",
		"anything but 60-90 minutes", "neither nor", "two to two hours or more", "$1-$2 to $3 dollars and 5 cents", "R R G G not",
		"\u0130n stock \u2126", "n't n’t", "longest shortest", "\xff", "between between 1 and 2 and 3 hours",
	} {
		f.Add(question)
	}
	component, err := summaryComponent()
	if err != nil {
		f.Fatal(err)
	}
	c, err := llm.New(llm.Config{Upstream: upstream.Config{Provider: "offline"}, Summary: component})
	if err != nil {
		f.Fatal(err)
	}
	films := shelf()
	f.Fuzz(func(t *testing.T, question string) {
		if len(question) > 1000 || llm.Blank(question) {
			return // the contract does not allow these
		}
		q := llm.NewQuestion(question, films)
		if n := len(q.Sources()); n != len(films) {
			t.Errorf("a model is given %d films of %d", n, len(films))
		}
		got, err := c.Handoff(t.Context(), q)
		if err != nil || got.Answer == "" {
			t.Fatalf("%+v, %v", got, err)
		}
		for _, s := range got.Sources {
			if !slices.ContainsFunc(films, func(f llm.Film) bool { return f.ID == s.FilmID && f.Title == s.Title }) {
				t.Errorf("the source %v is not one of the films", s)
			}
		}
	})
}
