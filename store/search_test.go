package store_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// everyFilm is a limit that is higher than the number of films.
const everyFilm = 2000

func search(t *testing.T, s *store.Store, question string, limit int) []store.FoundFilm {
	t.Helper()
	films, err := s.SearchFilms(t.Context(), question, limit)
	if err != nil {
		t.Fatalf("%q: %v", question, err)
	}
	return films
}

func filmIDs(films []store.FoundFilm) []int32 {
	var ids []int32
	for _, film := range films {
		ids = append(ids, film.FilmID)
	}
	return ids
}

// wordsOfStory returns words of a film's description. None of them names a category, means a film, or is
// changed by stemming.
func wordsOfStory(t *testing.T, conn *pgx.Conn, filmID int) []string {
	t.Helper()
	return pgtest.Value[[]string](t, conn.QueryRow, `
SELECT ARRAY(SELECT word FROM ts_stat('SELECT fulltext FROM film') JOIN film ON word = ANY(tsvector_to_array(fulltext))
	WHERE film_id = $1 AND length(word) > 3 AND word <> 'film' AND to_tsvector('english', word) = to_tsvector('simple', word)
		AND NOT EXISTS (SELECT FROM category WHERE to_tsvector('english', name) @@ word::tsquery)
	ORDER BY ndoc DESC, word LIMIT 3)`, filmID)
}

// Each way to find a film works alone: by its title, an actor, a rating, or words of its description.
func TestSearchFilms(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)

	title := pgtest.Value[string](t, conn.QueryRow, `SELECT title FROM film WHERE film_id = 42`)
	films := search(t, s, "Is "+strings.ToLower(title)+" better than your NC-17 comedies?", 8)
	if len(films) == 0 || films[0].FilmID != 42 {
		t.Errorf("the film whose title is in the question is not the first: %+v", films)
	}
	const actor = `SELECT first_name, last_name FROM actor JOIN film_actor USING (actor_id) WHERE film_id = 42 LIMIT 1`
	name := pgtest.Value[string](t, conn.QueryRow, `SELECT concat_ws(' ', first_name, last_name) FROM (`+actor+`) a`)
	words := wordsOfStory(t, conn, 42)
	for question, condition := range map[string]string{
		"Anything with " + name: `film_id IN (SELECT film_id FROM film_actor JOIN actor USING (actor_id)
			WHERE (first_name, last_name) = (` + actor + `))`,
		"NC-17":                  `rating = 'NC-17'`,
		strings.Join(words, " "): `fulltext @@ '` + strings.Join(words, " | ") + `'`,
	} {
		got := filmIDs(search(t, s, question, everyFilm))
		want := pgtest.Value[[]int32](t, conn.QueryRow, `SELECT array_agg(film_id ORDER BY film_id) FROM film WHERE `+condition)
		got = got[:min(len(got), len(want))] // a name can be a word of other films' descriptions
		if slices.Sort(got); len(got) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: the first films are %v, want %v", question, got, want)
		}
	}
}

// Films that have more of what is asked for come first, then short or cheap films if these are asked for.
// The words of the question decide about the rest.
func TestSearchOrder(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	const comedy = `(film_id IN (SELECT film_id FROM film_category JOIN category USING (category_id) WHERE name = 'Comedy'))`
	words := wordsOfStory(t, conn, 42)
	for question, order := range map[string]string{
		"NC-17 comedies":         `((rating = 'NC-17')::int + ` + comedy + `::int) DESC`,
		"short films":            `length`,
		"a long comedy":          comedy + ` DESC, length DESC`,
		"cheap films":            `rental_rate`,
		strings.Join(words, " "): `ts_rank_cd(fulltext, '` + strings.Join(words, " | ") + `') DESC`,
	} {
		// Ties may come in any order, so the test compares the ranks of films and not the films.
		rank := `SELECT array_agg(n) FROM unnest($1::int[]) WITH ORDINALITY got (film_id, at) JOIN (
			SELECT film_id, dense_rank() OVER (ORDER BY ` + order + `)::int AS n FROM film) ranked USING (film_id)`
		best := pgtest.Value[[]int32](t, conn.QueryRow, `SELECT array_agg(film_id) FROM (SELECT film_id FROM film ORDER BY `+order+` LIMIT 8) best`)
		want := pgtest.Value[[]int32](t, conn.QueryRow, rank, best)
		got := pgtest.Value[[]int32](t, conn.QueryRow, rank, filmIDs(search(t, s, question, 8)))
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the films rank as %v, want %v", question, got, want)
		}
	}
}

// A category is found by its name, and by words that people use for it.
func TestSearchByCategory(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.New(t))
	for question, category := range map[string]string{
		"Do you have comedies?": "Comedy", "a scary movie": "Horror", "Something funny!": "Comedy", "CARTOONS": "Animation",
		"science fiction films": "Sci-Fi",
	} {
		films := search(t, s, question, 8)
		if len(films) == 0 || slices.ContainsFunc(films, func(f store.FoundFilm) bool { return f.Category != category }) {
			t.Errorf("%s: %+v", question, films)
		}
	}
}

// A question that may be about every film finds all of them, each with its actors and copies.
func TestSearchFindsEveryFilm(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	films := search(t, s, "How long?", everyFilm)
	if n := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM film`); len(films) != n {
		t.Fatalf("%d films were found, want %d", len(films), n)
	}
	for _, f := range films {
		want := pgtest.Value[[]string](t, conn.QueryRow, `SELECT ARRAY(SELECT first_name || ' ' || last_name
			FROM film_actor JOIN actor USING (actor_id) WHERE film_id = $1 ORDER BY last_name, first_name, actor_id)`, f.FilmID)
		if !slices.Equal(f.Actors, want) {
			t.Fatalf("the actors of film %d are %q, want %q", f.FilmID, f.Actors, want)
		}
		stock := pgtest.Value[[]int32](t, conn.QueryRow, `SELECT ARRAY[count(*), count(*) FILTER (WHERE NOT EXISTS (
			SELECT FROM rental WHERE rental.inventory_id = inventory.inventory_id AND return_date IS NULL))]
			FROM inventory WHERE film_id = $1`, f.FilmID)
		if got := []int32{f.Copies, f.AvailableCopies}; !slices.Equal(got, stock) {
			t.Fatalf("the copies and available copies of film %d are %d, want %d", f.FilmID, got, stock)
		}
	}
}

func TestSearchFindsNothing(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := open(t, url)
	for _, question := range []string{"", "?!", "the of and", "xyzzy plugh", "a good movie", "'; --", "a & b | !c <-> (d", `\ : * '' "`} {
		if films := search(t, s, question, 8); len(films) != 0 {
			t.Errorf("%q finds %d films", question, len(films))
		}
	}
	if pgtest.ValueAt[int](t, url, `SELECT count(*) FROM film`) == 0 {
		t.Error("the films are gone")
	}
}
