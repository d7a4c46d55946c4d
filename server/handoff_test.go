package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"example.com/pagila-api/gen"
)

// What the search agent says is true of the whole catalogue: its sources are films that SQL finds for
// the same question, and as many as there are, up to the eight that it lists.
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
				t.Errorf("%s answers from %d films, want %d of %d: %s", got.Agent, len(got.Sources), listed, len(want), got.Answer)
			}
			for _, s := range got.Sources {
				if !slices.Contains(want, s.FilmID) {
					t.Errorf("%s is none of the films that SQL finds: %s", s.Title, got.Answer)
				}
			}
		})
	}
}
