package server_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store/pgtest"
)

// question is a line of testdata/questions.tsv.
type question struct {
	kind, text, truth, order string
}

// macros are the conditions on a film f that the table abbreviates.
var macros = []struct {
	pattern *regexp.Regexp
	sql     string
}{
	{regexp.MustCompile(`cat\(([\w-]+)\)`), `EXISTS (SELECT FROM film_category fc JOIN category c USING (category_id) WHERE fc.film_id = f.film_id AND c.name = '$1')`},
	{regexp.MustCompile(`actor\(([\w ]+)\)`), `EXISTS (SELECT FROM film_actor fa JOIN actor a USING (actor_id) WHERE fa.film_id = f.film_id AND a.first_name || ' ' || a.last_name ~* '\m$1\M')`},
	{regexp.MustCompile(`feature\(([\w ]+)\)`), `'$1' = ANY (f.special_features)`},
	{regexp.MustCompile(`stock\((\d)\)`), `(stock() AND EXISTS (SELECT FROM inventory i WHERE i.film_id = f.film_id AND i.store_id = $1 AND NOT EXISTS (SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND r.return_date IS NULL)))`},
	{regexp.MustCompile(`stock\(\)`), `EXISTS (SELECT FROM inventory i WHERE i.film_id = f.film_id AND NOT EXISTS (SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND r.return_date IS NULL))`},
}

func questions(tb testing.TB) []question {
	tb.Helper()
	raw, err := os.ReadFile("testdata/questions.tsv")
	if err != nil {
		tb.Fatal(err)
	}
	var all []question
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := append(strings.Split(strings.TrimSuffix(line, "\n"), "\t"), "", "")
		truth := fields[2]
		for _, m := range macros {
			truth = m.pattern.ReplaceAllString(truth, m.sql)
		}
		all = append(all, question{fields[0], fields[1], truth, fields[3]})
	}
	return all
}

// handOff hands a question off. It returns the answer, and whether the search agent gave it.
func handOff(t *testing.T, a *testAPI, text string) (answer string, understood bool) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"question": text})
	if err != nil {
		t.Fatal(err)
	}
	got := decode[gen.Answer](t, a.call(t, http.MethodPost, "/ai/handoff", string(body)).want(t, 200))
	return got.Answer, got.Agent == "search"
}

// TestQuestions asks everyday questions about Pagila. Those that the search agent takes, it answers rightly, and
// it takes 60 % of them. The others go to the model, which is the offline model here. It says what it did not
// understand.
func TestQuestions(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	a := start(t)
	a.exec(t, `UPDATE film SET streaming_available = true WHERE film_id % 50 = 7`)
	all, taken := questions(t), 0
	for _, q := range all {
		t.Run(q.text, func(t *testing.T) {
			answer, understood := handOff(t, a, q.text)
			if understood {
				taken++
				q.check(t, a, answer)
			} else if !strings.Contains(answer, "Not understood") {
				t.Errorf("the answer does not say what was not understood:\n%s", answer)
			}
		})
	}
	t.Logf("the search agent takes %d of %d questions", taken, len(all))
	if len(all) < 150 || taken*10 < len(all)*6 {
		t.Errorf("the search agent takes %d of %d questions, want 60 %% of at least 150", taken, len(all))
	}
}

// cited matches a film that an answer cites.
var cited = regexp.MustCompile(`\[(\d+)\]`)

// check compares an answer with the truth.
func (q question) check(t *testing.T, a *testAPI, answer string) {
	t.Helper()
	switch q.kind {
	case "films":
		q.checkFilms(t, a, answer)
		q.checkTotal(t, a, answer)
	case "count":
		q.checkTotal(t, a, answer)
	case "fact":
		q.checkFacts(t, a, answer)
	default:
		t.Errorf("the model says that it understood this:\n%s", answer)
	}
}

// checkFilms compares the films that an answer cites.
func (q question) checkFilms(t *testing.T, a *testAPI, answer string) {
	t.Helper()
	var got, want []int32
	for _, m := range cited.FindAllStringSubmatch(answer, -1) {
		id, err := strconv.ParseInt(m[1], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, int32(id))
	}
	if q.order == "" {
		slices.Sort(got)
	}
	if err := a.db.NewRaw(`SELECT film_id FROM film f WHERE `+q.truth+` ORDER BY `+cmp.Or(q.order, "film_id LIMIT 8")).Scan(t.Context(), &want); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the films are %d, want %d:\n%s", got, want, answer)
	}
}

// checkFacts looks for facts in an answer.
func (q question) checkFacts(t *testing.T, a *testAPI, answer string) {
	t.Helper()
	var want []string
	if err := a.db.NewRaw(q.truth).Scan(t.Context(), &want); err != nil || len(want) == 0 {
		t.Fatalf("there is no truth: %v", err)
	}
	for _, text := range want {
		if !strings.Contains(answer, text) {
			t.Errorf("the answer lacks %q:\n%s", text, answer)
		}
	}
}

// checkTotal compares the number of films in an answer.
func (q question) checkTotal(t *testing.T, a *testAPI, answer string) {
	t.Helper()
	total := one[int64](t, a, `SELECT count(*) FROM film f WHERE `+q.truth)
	want := fmt.Sprintf(`\b%d films?\b`, total)
	if strings.Contains(q.order, "LIMIT") && !strings.HasSuffix(q.order, "LIMIT 8") {
		return
	}
	if total == 0 {
		want = "None of the films fits"
	}
	if !regexp.MustCompile(want).MatchString(answer) {
		t.Errorf("the answer does not say %q:\n%s", want, answer)
	}
}

// TestSameTitle shows that an answer about a title is about each film of this title.
func TestSameTitle(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	a := start(t)
	a.exec(t, `UPDATE film SET title = 'ACE GOLDFINGER' WHERE film_id = 700`)
	answer, understood := handOff(t, a, "How long is Ace Goldfinger?")
	if got := cited.FindAllString(answer, -1); !understood || !slices.Equal(got, []string{"[2]", "[700]"}) {
		t.Errorf("understood is %t, and the answer is\n%s", understood, answer)
	}
}

// madeUp are words that nobody knows.
var madeUp = strings.Fields("frobnicated blorptastic zquxy wibblesome 7th £ Grunthilda ungloomy 1990s 🦆")

// TestMadeUpWords adds a made-up word to each question of the table. Whatever the word means, the question is handed
// over, and the answer names the word before it lists anything.
func TestMadeUpWords(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	a := start(t)
	for i, q := range questions(t) {
		words := strings.Fields(q.text)
		word := madeUp[i%len(madeUp)]
		text := strings.Join(slices.Insert(words, i%(len(words)+1), word), " ")
		answer, understood := handOff(t, a, text)
		head, _, _ := strings.Cut(answer, "\n- ")
		if understood || !strings.Contains(head, "Not understood") || !strings.Contains(head, word) {
			t.Errorf("%s: understood is %t, and the answer is\n%s", text, understood, head)
		}
	}
}

// TestTitles asks about films by their titles, in several spellings. The search agent may hand a question over, but
// never answers about another film.
func TestTitles(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	a := start(t)
	var films []gen.Source
	if err := a.db.NewRaw(`SELECT film_id, title FROM film WHERE film_id % 9 = 4 ORDER BY film_id`).Scan(t.Context(), &films); err != nil {
		t.Fatal(err)
	}
	taken := 0
	for i, f := range films {
		text := []string{"How long is %s?", "who stars in %s", "%s", "Is %s suitable for children?"}[i%4]
		if i%3 > 0 {
			f.Title = strings.ToLower(f.Title)
		}
		answer, understood := handOff(t, a, fmt.Sprintf(text, f.Title))
		if !understood {
			continue
		}
		taken++
		if found := cited.FindAllString(answer, -1); !slices.Equal(found, []string{fmt.Sprintf("[%d]", f.FilmID)}) {
			t.Errorf("%s: the answer is about %q:\n%s", fmt.Sprintf(text, f.Title), found, answer)
		}
	}
	t.Logf("the search agent takes %d of %d", taken, len(films))
	if taken*10 < len(films)*9 {
		t.Errorf("the search agent takes %d of %d questions about a film, want 90 %%", taken, len(films))
	}
}

// vocabularyValue is a value in the offline model's vocabulary.
var vocabularyValue = regexp.MustCompile(`(?m)^(?:any|all|is) (\w+) ([^:]+): `)

// TestVocabulary compares the values of the vocabulary with the contract and the database, in both directions.
func TestVocabulary(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	a := start(t)
	raw, err := os.ReadFile("../llm/offline/vocabulary.txt")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, m := range vocabularyValue.FindAllStringSubmatch(string(raw), -1) {
		for v := range strings.SplitSeq(strings.Trim(m[2], `"`), "|") {
			got[m[1]] = append(got[m[1]], v)
		}
	}
	schemas := loadContract(t).Components.Schemas
	enum := func(name string, except ...string) (values []string) {
		for _, v := range schemas[name].Value.Enum {
			if !slices.Contains(except, fmt.Sprint(v)) {
				values = append(values, fmt.Sprint(v))
			}
		}
		return values
	}
	selected := func(query string) (values []string) {
		if err := a.db.NewRaw(query).Scan(t.Context(), &values); err != nil {
			t.Fatal(err)
		}
		return values
	}
	for parameter, want := range map[string][]string{
		"rating":          enum("Rating"),
		"sort":            enum("FilmSort", "film_id", "-film_id", "-title", "relevance"),
		"category":        selected(`SELECT name FROM category`),
		"language":        selected(`SELECT rtrim(name) FROM language`),
		"special_feature": selected(`SELECT DISTINCT unnest(special_features) FROM film`),
	} {
		slices.Sort(got[parameter])
		slices.Sort(want)
		if have := slices.Compact(got[parameter]); !slices.Equal(have, want) {
			t.Errorf("the vocabulary has the %s %q, want %q", parameter, have, want)
		}
	}
}

// TestManyNames shows that the results of a question's lookups leave room for the films.
func TestManyNames(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	a := start(t)
	answer, understood := handOff(t, a, "comedies e, o, n, l")
	if understood || !strings.Contains(answer, "58 films, the first 8:") || strings.Contains(answer, "looked up") {
		t.Errorf("understood is %t, and the answer is\n%s", understood, answer)
	}
}
