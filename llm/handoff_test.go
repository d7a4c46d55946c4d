package llm_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream/upstreamtest"
)

func TestHandoff(t *testing.T) {
	t.Parallel()
	const model = "By the model."
	u := listen(t, streamed(model))
	c := openAI(t, u)
	for _, test := range []struct {
		question string
		agent    llm.Agent
		answer   string // an excerpt
		sources  []int32
	}{
		{"Who stars in Academy Dinosaur?", llm.AgentSearch, "stars SANDRA PECK, CHRISTIAN GABLE", []int32{1}},
		{"Who's in ACADEMY?", llm.AgentSearch, "stars SANDRA PECK", []int32{2}},
		{"Is ACADEMY DINOSAUR for children?", llm.AgentSearch, "is rated PG", []int32{1}},
		{"How long is it and what does Academy Dinosaur's rental cost?", llm.AgentSearch, "86 minutes. ACADEMY DINOSAUR [1] costs $0.99", []int32{1}},
		{"What category is LONG LAUGH?", llm.AgentSearch, "in the category Comedy", []int32{3}},
		{"Is LONG LAUGH available for streaming?", llm.AgentSearch, "is available for streaming", []int32{3}},
		{"LONG LAUGH", llm.AgentSearch, "180 minutes", []int32{3}},
		{"short PG comedies under 1 dollar", llm.AgentSearch, "ACADEMY [2]", []int32{2}},
		{"films for exactly 0.99", llm.AgentModel, model, []int32{1, 2, 3, 4}}, // "exactly" is not understood
		{"what costs 0.99?", llm.AgentSearch, "ACADEMY [2]", []int32{1, 2}},
		{"films under 99 cents", llm.AgentSearch, "None of the films", nil},
		{"films for at most 99 cents", llm.AgentSearch, "ACADEMY [2]", []int32{1, 2}},
		{"films at $2.99 or less", llm.AgentSearch, "BARE [4]", []int32{1, 2, 4}},
		{"movies over two hours", llm.AgentSearch, "LONG LAUGH [3]", []int32{3}},
		{"60 minutes or more", llm.AgentSearch, "LONG LAUGH [3]", []int32{1, 2, 3}},
		{"less than 60 minutes", llm.AgentSearch, "None of the films", nil},
		{"R-rated comedies", llm.AgentSearch, "LONG LAUGH [3]", []int32{3}},
		{"R comedies", llm.AgentSearch, "LONG LAUGH [3]", []int32{3}},
		{"comedies or documentaries", llm.AgentSearch, "ACADEMY DINOSAUR [1]", []int32{1, 2, 3}},
		{"films with Sandra Peck and Christian Gable", llm.AgentSearch, "ACADEMY DINOSAUR [1]", []int32{1}},
		{"films with Sandra Peck or Christian Gable", llm.AgentSearch, "ACADEMY DINOSAUR [1]", []int32{1, 2}},
		{"the longest film with Sandra Peck", llm.AgentSearch, "longest of the films found:\n- ACADEMY DINOSAUR [1]", []int32{1}},
		{"How long can I rent ACADEMY DINOSAUR?", llm.AgentSearch, "is rented for 6 days", []int32{1}},
		{"What is the rental duration of ACADEMY DINOSAUR?", llm.AgentSearch, "is rented for 6 days", []int32{1}},
		{"When was ACADEMY DINOSAUR released?", llm.AgentSearch, "was released in 2006", []int32{1}},
		{"comedies less than 3 hours long", llm.AgentSearch, "ACADEMY [2]", []int32{2}},
		{"films at least 3 hours long", llm.AgentSearch, "LONG LAUGH [3]", []int32{3}},
		{"films over 2 hours 30 minutes", llm.AgentSearch, "LONG LAUGH [3]", []int32{3}},
		{"films under 2 dollars and 50 cents", llm.AgentSearch, "ACADEMY [2]", []int32{1, 2}},
		{"How long is the shortest comedy?", llm.AgentSearch, "The shortest of the films found:\n- ACADEMY [2]", []int32{2}},
		{"Is ACADEMY DINOSAUR available?", llm.AgentSearch, "Copies of ACADEMY DINOSAUR [1] in stock: 2 of 3.", []int32{1}},
		{"How many copies of ACADEMY do you have in stock?", llm.AgentSearch, "Copies of ACADEMY [2] in stock: 0 of 3.", []int32{2}},
		{"Can I rent LONG LAUGH today?", llm.AgentSearch, "The shops have no copy of LONG LAUGH [3].", []int32{3}},
		{"Is BARE still in stock?", llm.AgentSearch, "does not say whether BARE [4] is in stock", []int32{4}},
		{"What is the replacement cost of ACADEMY DINOSAUR?", llm.AgentSearch, "ACADEMY DINOSAUR [1] costs $20.99 to replace.", []int32{1}},
		{"What does it cost to replace LONG LAUGH?", llm.AgentSearch, "does not say what it costs to replace LONG LAUGH [3]", []int32{3}},
		{"Which films are in stock?", llm.AgentSearch, "ACADEMY DINOSAUR [1]", []int32{1}},
		{"films from $1 to $3", llm.AgentSearch, "BARE [4]", []int32{4}},
		{"films for $1-3", llm.AgentSearch, "BARE [4]", []int32{4}},
		{"films from 60 to 90 minutes", llm.AgentSearch, "ACADEMY [2]", []int32{1, 2}},
		{"films between 90 minutes and 3 hours", llm.AgentSearch, "LONG LAUGH [3]", []int32{3}},
		{"two to three hours", llm.AgentSearch, "LONG LAUGH [3]", []int32{3}},
		{"80-90 minute documentaries", llm.AgentSearch, "ACADEMY DINOSAUR [1]", []int32{1}},
		{"films not between 60 and 90 minutes", llm.AgentModel, model, []int32{1, 2, 3, 4}},
		{"what costs $2.99 and $4.99?", llm.AgentSearch, "BARE [4]", []int32{3, 4}},
		{"films for 0.99 or 2.99", llm.AgentSearch, "BARE [4]", []int32{1, 2, 4}},
		{"films under 4 dollars and 5 cents", llm.AgentSearch, "BARE [4]", []int32{1, 2, 4}},
		{"films over 1 hour and under 1 dollar", llm.AgentSearch, "ACADEMY DINOSAUR [1]", []int32{1}},
		{"films over 2 hours and 2 dollars", llm.AgentModel, model, []int32{3, 1, 2, 4}},
		{"Who stars in ACADEMY and in ACADEMY DINOSAUR?", llm.AgentSearch, "ACADEMY [2] stars SANDRA PECK.\nACADEMY DINOSAUR [1] stars", []int32{2, 1}},
		{"What is the longest and cheapest film?", llm.AgentModel, model, []int32{3, 1, 2, 4}},
		{"films with trailers", llm.AgentSearch, "ACADEMY [2]", []int32{2}},
		{"films that star Sandra Peck", llm.AgentSearch, "ACADEMY [2]", []int32{1, 2}},
		{"comedies with trailers or commentaries", llm.AgentSearch, "ACADEMY [2]", []int32{2}},
		{"comedies with trailers and commentaries", llm.AgentSearch, "None of the films", nil},
		{"films with neither trailers nor commentaries", llm.AgentSearch, "BARE [4]", []int32{3, 4}},
		{"films without commentaries or trailers", llm.AgentSearch, "BARE [4]", []int32{3, 4}},
		{"anything but comedies", llm.AgentSearch, "BARE [4]", []int32{1, 4}},
		{"Are there no comedies?", llm.AgentSearch, "ACADEMY [2]", []int32{2, 3}},
		{"comedies without Sandra Peck", llm.AgentSearch, "LONG LAUGH [3]", []int32{3}},
		{"comedies that are not R-rated", llm.AgentSearch, "ACADEMY [2]", []int32{2}},
		{"films that aren't comedies", llm.AgentSearch, "BARE [4]", []int32{1, 4}},
		{"I don’t want R or PG films", llm.AgentSearch, "BARE [4]", []int32{4}},
		{"neither comedies nor documentaries", llm.AgentSearch, "BARE [4]", []int32{4}},
		{"no comedies, but documentaries", llm.AgentSearch, "ACADEMY DINOSAUR [1]", []int32{1}},
		{"not rated R and documentaries", llm.AgentSearch, "ACADEMY DINOSAUR [1]", []int32{1}},
		{"comedies not for children", llm.AgentSearch, "LONG LAUGH [3]", []int32{3}},
		{"films not longer than 60 minutes", llm.AgentSearch, "ACADEMY [2]", []int32{2}},
		{"films no more than 60 minutes long", llm.AgentSearch, "ACADEMY [2]", []int32{2}},
		{"comedies without trailers", llm.AgentSearch, "LONG LAUGH [3]", []int32{3}},
		{"PG films not available for streaming", llm.AgentSearch, "ACADEMY [2]", []int32{1, 2}},
		{"comedies that are not in stock", llm.AgentSearch, "ACADEMY [2]", []int32{2, 3}},
		// For the model: an opinion, a comparison, a story, a count, anything but the catalogue.
		{"films not for my mother, over 1 dollar", llm.AgentModel, model, []int32{1, 2, 3, 4}},
		{"films that do not cost 2.99", llm.AgentSearch, "ACADEMY [2]", []int32{1, 2, 3}},
		{"comedies, but not the longest", llm.AgentModel, model, []int32{2, 3, 1, 4}},
		{"Is ACADEMY DINOSAUR any good?", llm.AgentModel, model, []int32{1, 2, 3, 4}},
		{"Is ACADEMY DINOSAUR longer than LONG LAUGH?", llm.AgentModel, model, []int32{1, 2, 3, 4}},
		{"comedies about robots", llm.AgentModel, model, []int32{2, 3, 1, 4}},
		{"How many comedies are there?", llm.AgentModel, model, []int32{2, 3, 1, 4}},
		{"How old do you have to be to watch ACADEMY DINOSAUR?", llm.AgentModel, model, []int32{1, 2, 3, 4}},
		{"When can I rent ACADEMY DINOSAUR?", llm.AgentModel, model, []int32{1, 2, 3, 4}},
		{"Where was ACADEMY DINOSAUR released?", llm.AgentModel, model, []int32{1, 2, 3, 4}},
		{"Do you rate ACADEMY DINOSAUR?", llm.AgentModel, model, []int32{1, 2, 3, 4}},
		{"Would you rent ACADEMY DINOSAUR?", llm.AgentModel, model, []int32{1, 2, 3, 4}},
		{"Who rented ACADEMY DINOSAUR?", llm.AgentModel, model, []int32{1, 2, 3, 4}},
		{"Who would I cast in ACADEMY DINOSAUR?", llm.AgentModel, model, []int32{1, 2, 3, 4}},
		{"What is the capital of France?", llm.AgentModel, model, []int32{1, 2, 3, 4}},
		{"What should I watch?", llm.AgentModel, model, []int32{1, 2, 3, 4}},
		{"?", llm.AgentModel, model, []int32{1, 2, 3, 4}},
	} {
		t.Run(test.question, func(t *testing.T) {
			before := len(u.Requests())
			films := shelf()
			films[0].SpecialFeatures, films[1].SpecialFeatures = []string{"Commentaries"}, []string{"Trailers"}
			films[0].ReplacementCost = decimal.NewNullDecimal(decimal.RequireFromString("20.99"))
			films[0].Stock, films[1].Stock, films[2].Stock = &llm.Stock{Copies: 3, Available: 2}, &llm.Stock{Copies: 3}, &llm.Stock{}
			got, err := c.Handoff(bounded(t), llm.NewQuestion(test.question, films))
			if err != nil {
				t.Fatal(err)
			}
			var ids []int32
			for _, s := range got.Sources {
				ids = append(ids, s.FilmID)
			}
			if got.Agent != test.agent || !strings.Contains(got.Answer, test.answer) || !slices.Equal(ids, test.sources) {
				t.Errorf("got %s, %q, sources %v, want %s, %q, %v", got.Agent, got.Answer, ids, test.agent, test.answer, test.sources)
			}
			asked := len(u.Requests()) > before
			if asked != (test.agent == llm.AgentModel) || asked != (got.Result.Model != "") {
				t.Errorf("the model was asked: %t, result %+v", asked, got.Result)
			}
		})
	}
}

// TestHandoffOfUnknownLength has a film of unknown length.
func TestHandoffOfUnknownLength(t *testing.T) {
	t.Parallel()
	films := shelf()
	films[0].Length = 0
	got, err := offline(t).Handoff(bounded(t), llm.NewQuestion("the shortest film", films))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range got.Sources {
		if s.FilmID == films[0].ID {
			t.Errorf("a film of unknown length is the shortest: %s", got.Answer)
		}
	}
}

// TestHandoffWithoutFilms has a question for which no films were found.
func TestHandoffWithoutFilms(t *testing.T) {
	t.Parallel()
	u := listen(t, streamed("No."))
	c := openAI(t, u)
	for question, want := range map[string]llm.Agent{
		"films under 1 dollar":        llm.AgentSearch,
		"the longest film":            llm.AgentSearch,
		"Who stars in THE GODFATHER?": llm.AgentModel, // the model is told that nothing was found
		"westerns under 1 dollar":     llm.AgentModel,
		"When do you close?":          llm.AgentModel,
		"How do I plot a graph?":      llm.AgentModel,
		"What is the meaning of life": llm.AgentModel,
	} {
		got, err := c.Handoff(bounded(t), llm.NewQuestion(question, nil))
		if err != nil {
			t.Fatal(err)
		}
		if got.Agent != want || len(got.Sources) != 0 || got.Sources == nil {
			t.Errorf("%s: %+v, want the agent %s and no sources", question, got, want)
		}
		if want == llm.AgentSearch && !strings.Contains(got.Answer, "Nothing in the catalogue was found") {
			t.Errorf("the answer is %q", got.Answer)
		}
	}
}

// TestHandoffFails shows that a part of an answer is not returned.
func TestHandoffFails(t *testing.T) {
	t.Parallel()
	for want, script := range map[llm.Kind]upstreamtest.Script{
		llm.KindTruncated: upstreamtest.Raw(upstreamtest.EventHead + upstreamtest.Delta("He")),
		llm.KindLength:    upstreamtest.Raw(upstreamtest.EventHead + upstreamtest.Delta("He") + upstreamtest.Finish("length") + upstreamtest.Done),
		llm.KindAuth:      upstreamtest.Status(401, "", ""),
	} {
		got, err := openAI(t, listen(t, script)).Handoff(bounded(t), llm.NewQuestion("Why?", nil))
		checkKind(t, err, want)
		if got.Answer != "" {
			t.Errorf("a part of an answer is returned: %+v", got)
		}
	}
}

// TestSources shows that the sources are exactly the films on the wire: first those that match the
// question, at most eight, and only what fits.
func TestSources(t *testing.T) {
	t.Parallel()
	many := func(n int, edit func(i int, f *llm.Film)) []llm.Film {
		films := make([]llm.Film, n)
		for i := range films {
			films[i] = llm.Film{ID: int32(i + 1), Title: fmt.Sprintf("FILM %c", 'A'+i), Category: "Drama", RentalRate: decimal.NewNullDecimal(decimal.New(299, -2))}
			edit(i, &films[i])
		}
		return films
	}
	for _, test := range []struct {
		name string
		q    llm.Question
		want []int32
	}{
		{"none", llm.NewQuestion("Why?", nil), nil},
		{"more than a model is given", llm.NewQuestion("Why?", many(12, func(int, *llm.Film) {})), []int32{1, 2, 3, 4, 5, 6, 7, 8}},
		{"a wanted one far behind", llm.NewQuestion("Why are comedies cheap?", many(12, func(i int, f *llm.Film) {
			if i == 10 {
				f.Category, f.RentalRate = "Comedy", decimal.NewNullDecimal(decimal.New(99, -2))
			}
		})), []int32{11, 1, 2, 3, 4, 5, 6, 7}},
		{"one that does not fit", llm.NewQuestion("Why?", many(3, func(i int, f *llm.Film) {
			if i == 1 {
				f.Actors = slices.Repeat([]string{"SANDRA PECK"}, 2000)
			}
		})), []int32{1, 3}},
		{"long descriptions", llm.NewQuestion("Why?", many(8, func(_ int, f *llm.Film) {
			f.Description = strings.Repeat("long ", 10_000)
		})), []int32{1, 2, 3, 4, 5, 6, 7, 8}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var ids []int32
			var titles []string
			for _, s := range test.q.Sources() { // before the first byte
				ids = append(ids, s.FilmID)
				titles = append(titles, s.Title)
			}
			if !slices.Equal(ids, test.want) {
				t.Errorf("the sources are %v, want %v", ids, test.want)
			}
			u := listen(t, streamed("He"))
			if _, err := openAI(t, u).Ask(bounded(t), test.q, func(string) error { return nil }); err != nil {
				t.Fatal(err)
			}
			sentIDs, sentTitles := sentFilms(t, u.Requests()[0].Body)
			if diff := cmp.Diff(ids, sentIDs); diff != "" {
				t.Errorf("different films are sent (-sources +sent):\n%s", diff)
			}
			if diff := cmp.Diff(titles, sentTitles); diff != "" {
				t.Errorf("different titles are sent (-sources +sent):\n%s", diff)
			}
			if n := len(u.Requests()[0].Body); n > 20<<10 {
				t.Errorf("the request has %d bytes", n)
			}
		})
	}
}

// TestNothingFound shows that the model is told that nothing was found, and that the offline model says
// so.
func TestNothingFound(t *testing.T) {
	t.Parallel()
	u := listen(t, streamed("No."))
	nothing := llm.NewQuestion("Is there a film about Go?", nil)
	if _, err := openAI(t, u).Ask(bounded(t), nothing, func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	sent := messages(t, u.Requests()[0].Body)
	if !strings.Contains(sent[0].Content, "the list is empty, say that nothing in the catalogue was found") || !strings.Contains(sent[1].Content, `{"films":[]}`) {
		t.Errorf("the model is not told: %+v", sent)
	}
	var text strings.Builder
	_, err := offline(t).Ask(context.Background(), nothing, func(piece string) error {
		text.WriteString(piece)
		return nil
	})
	if err != nil || !strings.Contains(text.String(), "Nothing in the catalogue was found") {
		t.Errorf("the offline model says %q, %v", text.String(), err)
	}
}
