package server_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"example.com/pagila-api/gen"
)

// The search agent's answer is true for the whole catalogue: its sources are the films that SQL finds for the
// same question, except that it lists eight at most.
func TestHandOffIsExact(t *testing.T) {
	t.Parallel()
	const listed = 8
	a := start(t)
	a.exec(t, `UPDATE film SET streaming_available = true WHERE film_id % 50 = 7`)
	const comedy = `EXISTS (SELECT FROM film_category JOIN category USING (category_id) WHERE film_category.film_id = film.film_id AND name = 'Comedy')`
	for question, condition := range map[string]string{
		"what costs 0.99?":                              `rental_rate = 0.99`,
		"films with trailers under 60 minutes":          `'Trailers' = ANY(special_features) AND length < 60`,
		"longest film":                                  `length = (SELECT max(length) FROM film)`,
		"the shortest comedy":                           comedy + ` AND length = (SELECT min(length) FROM film WHERE ` + comedy + `)`,
		"the cheapest R-rated comedies":                 comedy + ` AND rating = 'R' AND rental_rate = (SELECT min(rental_rate) FROM film WHERE rating = 'R' AND ` + comedy + `)`,
		"which comedies are available for streaming?":   comedy + ` AND streaming_available`,
		"short PG comedies under 1 dollar":              comedy + ` AND rating = 'PG' AND length <= 80 AND rental_rate < 1`,
		"comedies for at most 99 cents":                 comedy + ` AND rental_rate <= 0.99`,
		"comedies over 2 hours 30 minutes":              comedy + ` AND length > 150`,
		"films for children over 3 hours":               `rating IN ('G', 'PG') AND length > 180`,
		"comedies that are not rated R or NC-17":        comedy + ` AND rating NOT IN ('R', 'NC-17')`,
		"R films that aren't comedies, over 3 hours":    `rating = 'R' AND length > 180 AND NOT ` + comedy,
		"comedies from $1 to 3":                         comedy + ` AND rental_rate BETWEEN 1 AND 3`,
		"films between one and two hours, not for kids": `length BETWEEN 60 AND 120 AND rating NOT IN ('G', 'PG')`,
		"Do you have comedies?":                         comedy,
		"Which comedies over 3 hours are in stock?": comedy + ` AND length > 180 AND EXISTS (SELECT FROM inventory WHERE inventory.film_id = film.film_id
			AND NOT EXISTS (SELECT FROM rental WHERE rental.inventory_id = inventory.inventory_id AND return_date IS NULL))`,
	} {
		t.Run(question, func(t *testing.T) {
			t.Parallel()
			var want []int32
			if err := a.db.NewRaw(`SELECT film_id FROM film WHERE `+condition).Scan(t.Context(), &want); err != nil {
				t.Fatal(err)
			}
			got := decode[gen.Answer](t, a.call(t, http.MethodPost, "/ai/handoff", fmt.Sprintf(`{"question": %q}`, question)).want(t, 200))
			if got.Agent != "search" || len(got.Sources) != min(listed, len(want)) {
				t.Errorf("the agent %s has %d sources, want %d of %d: %s", got.Agent, len(got.Sources), listed, len(want), got.Answer)
			}
			for _, s := range got.Sources {
				if !slices.Contains(want, s.FilmID) {
					t.Errorf("SQL does not find %s: %s", s.Title, got.Answer)
				}
			}
		})
	}
}

// phrase is a part of a question, and its meaning in SQL.
type phrase struct{ words, condition string }

// Random questions get exact answers too: the number of films in the answer is SQL's.
func TestHandOffOfManyQuestions(t *testing.T) {
	t.Parallel()
	a := start(t)
	const (
		seed      = 4
		questions = 150
		in        = `EXISTS (SELECT FROM film_category JOIN category USING (category_id) WHERE film_category.film_id = film.film_id AND name = '%s')`
		playing   = `EXISTS (SELECT FROM film_actor JOIN actor USING (actor_id) WHERE film_actor.film_id = film.film_id AND first_name || ' ' || last_name = '%s')`
		inStock   = `EXISTS (SELECT FROM inventory WHERE inventory.film_id = film.film_id AND NOT EXISTS (
			SELECT FROM rental WHERE rental.inventory_id = inventory.inventory_id AND return_date IS NULL))`
	)
	actor := one[string](t, a, `SELECT first_name || ' ' || last_name FROM actor JOIN film_actor USING (actor_id) GROUP BY actor_id ORDER BY count(*) DESC LIMIT 1`)
	heads := []phrase{
		{"films", "true"},
		{"comedies", fmt.Sprintf(in, "Comedy")},
		{"horror films", fmt.Sprintf(in, "Horror")},
		{"documentaries", fmt.Sprintf(in, "Documentary")},
		{"R-rated films", "rating = 'R'"},
		{"PG or G films", "rating IN ('PG', 'G')"},
	}
	// At most one phrase of each row is used.
	rows := [][]phrase{
		{
			{"under 90 minutes", "length < 90"}, {"not over two hours", "length <= 120"}, {"at least 2 hours long", "length >= 120"},
			{"between 60 and 90 minutes", "length BETWEEN 60 AND 90"}, {"from 1 to 2 hours", "length BETWEEN 60 AND 120"},
		},
		{
			{"under 1 dollar", "rental_rate < 1"}, {"for 99 cents", "rental_rate = 0.99"}, {"not cheaper than $2.99", "rental_rate >= 2.99"},
			{"from $1 to 3", "rental_rate BETWEEN 1 AND 3"}, {"for 0.99 or 4.99", "rental_rate IN (0.99, 4.99)"},
		},
		{
			{"with trailers", "'Trailers' = ANY(special_features)"}, {"without commentaries", "NOT 'Commentaries' = ANY(special_features)"},
			{"with neither trailers nor deleted scenes", "NOT special_features && '{Trailers,Deleted Scenes}'"},
		},
		{{"with " + actor, fmt.Sprintf(playing, actor)}, {"that do not star " + actor, "NOT " + fmt.Sprintf(playing, actor)}},
		{{"that are in stock", inStock}, {"that aren't available", "NOT " + inStock}},
		{{"not rated NC-17", "rating <> 'NC-17'"}, {"except PG-13", "rating <> 'PG-13'"}, {"not for children", "rating NOT IN ('G', 'PG')"}},
	}
	random := rand.New(rand.NewPCG(seed, seed))
	pick := func(from []phrase) phrase { return from[random.IntN(len(from))] }
	for range questions {
		phrases := []phrase{pick(heads)}
		for _, i := range random.Perm(len(rows))[:1+random.IntN(3)] {
			phrases = append(phrases, pick(rows[i]))
		}
		var text strings.Builder
		var conditions []string
		for i, p := range phrases {
			if i > 0 {
				text.WriteString([]string{" ", ", ", " and "}[random.IntN(min(3, 2*i-1))]) // no "and" after the head
			}
			text.WriteString(p.words)
			conditions = append(conditions, p.condition)
		}
		question := text.String()
		want := one[int](t, a, `SELECT count(*) FROM film WHERE `+strings.Join(conditions, " AND "))
		got := decode[gen.Answer](t, a.call(t, http.MethodPost, "/ai/handoff", fmt.Sprintf(`{"question": %q}`, question)).want(t, 200))
		listed, more := len(got.Sources), 0
		if _, rest, found := strings.Cut(got.Answer, "\nAnd "); found {
			if _, err := fmt.Sscanf(rest, "%d more", &more); err != nil {
				t.Errorf("%s: %v in %s", question, err, got.Answer)
			}
		}
		if got.Agent != "search" || listed+more != want {
			t.Errorf("%s: %s finds %d films, SQL %d", question, got.Agent, listed+more, want)
		}
	}
}
