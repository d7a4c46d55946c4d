package store

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// searchSQL finds films by what a question may name: a title, a category, a rating or an actor. It also
// searches for single words of titles and descriptions, because people do not ask in the catalogue's words.
// Films that match more of what is named come first. Among these come short, long or cheap films if the
// question asks for them, and then the words decide. With $3 every film is found. Words that mean a film,
// such as movie, find nothing, although some titles contain them.
const searchSQL = `
WITH question AS (
	SELECT lower(upper($1::text {unicode})) AS text, tsvector_to_array(to_tsvector('english', lower($1::text {unicode}))) AS words
), asked AS (
	SELECT text, words, array_to_string(ARRAY(
		SELECT quote_literal(word) FROM unnest(words) word WHERE word NOT IN ('film', 'movi', 'dvd')), ' | ')::tsquery AS query
	FROM question
), hits AS (
	SELECT film_id, 10 AS facets, 0 AS rank
	FROM {film}, asked WHERE btrim(title) <> '' AND strpos(asked.text, lower(upper(title {unicode}))) > 0
	UNION ALL
	SELECT film_id, 1, 0
	FROM {film_category} JOIN {category} USING (category_id), asked
	WHERE to_tsvector('english', lower(name {unicode})) @@ asked.query
	UNION ALL
	SELECT film_id, 1, 0
	FROM {film} WHERE rating::text = ANY(string_to_array($2::text, ' '))
	UNION ALL
	SELECT film_id, 1, 0
	FROM {film_actor} JOIN {actor} USING (actor_id), asked
	WHERE strpos(asked.text, lower(upper(first_name || ' ' || last_name {unicode}))) > 0
	UNION ALL
	SELECT film_id, 0, ts_rank_cd(fulltext, asked.query)
	FROM {film}, asked WHERE fulltext @@ asked.query
	UNION ALL
	SELECT film_id, 0, 0 FROM {film} WHERE $3::boolean
), found AS (
	SELECT film_id, sum(facets) AS facets, sum(rank) AS rank FROM hits WHERE film_id > 0 GROUP BY film_id
)
SELECT` + filmColumns + `, COALESCE(names.actors, '{}') AS actors,
	COALESCE(stock.copies, 0) AS copies, COALESCE(stock.available, 0) AS available_copies
FROM asked, found JOIN {film} f USING (film_id)` + filmJoins + `
LEFT JOIN (
	SELECT film_id, array_agg(first_name || ' ' || last_name ORDER BY last_name, first_name, actor_id) AS actors
	FROM found JOIN {film_actor} USING (film_id) JOIN {actor} USING (actor_id)
	GROUP BY film_id
) names USING (film_id)
LEFT JOIN (
	SELECT film_id, count(*) AS copies, count(*) FILTER (
		WHERE inventory_id NOT IN (SELECT inventory_id FROM {rental} WHERE return_date IS NULL)) AS available
	FROM found JOIN {inventory} USING (film_id)
	GROUP BY film_id
) stock USING (film_id)
ORDER BY found.facets DESC,
	CASE WHEN 'short' = ANY(asked.words) THEN f.length WHEN 'long' = ANY(asked.words) THEN -f.length END,
	CASE WHEN asked.words && '{cheap,dollar,price}' THEN f.rental_rate END,
	found.rank DESC, f.film_id
LIMIT $4::integer`

// ratingWords are the ratings as people write them. A single lower-case g or r is not a rating.
var ratingWords = regexp.MustCompile(`\b(?:(?i:NC-17|PG-13|PG)|G|R)\b`)

// anyFilm are words about properties that every film has: a price, a length, features. The caller reads the
// values and finds out which films are meant.
var anyFilm = regexp.MustCompile(`(?i)\b(?:cents?|dollars?|bucks?|\d+\.\d\d|min(?:ute)?s?|hours?|long(?:est)?|short(?:est)?|cheap(?:est)?|expensive|` +
	`stream\w*|trailers?|commentary|commentaries|(?:deleted|behind.the) scenes?|child(?:ren)?|kids?|family|in stock|available|` +
	`not|no|nor|none|nothing|neither|never|without|except|excluding|avoid|other than|apart from|(?:(?:any|every)thing|all) but)\b|n['’]t\b|[$¢]`)

// spoken are the words that people use for a category.
var spoken = map[string]*regexp.Regexp{
	"Animation": regexp.MustCompile(`(?i)\b(?:cartoons?|animated)\b`),
	"Comedy":    regexp.MustCompile(`(?i)\b(?:funny|hilarious|humorous|laughs?)\b`),
	"Horror":    regexp.MustCompile(`(?i)\b(?:scary|frightening|creepy|spooky)\b`),
	"Sci-Fi":    regexp.MustCompile(`(?i)\b(?:science[ -]fiction|scifi)\b`),
}

// FoundFilm is a film with the names of its actors, ordered by last name, and the number of its copies in
// all shops.
type FoundFilm struct {
	Film            `bun:",extend"`
	Actors          []string `bun:",array"`
	Copies          int32
	AvailableCopies int32 // the copies that are not rented out
}

// SearchFilms returns at most limit films that a question in plain English may be about, the likeliest first.
// It is not an error if there are none. A question about prices, lengths, special features, streaming, stock
// or children may be about every film. So may a question that excludes something.
func (s *Store) SearchFilms(ctx context.Context, question string, limit int) ([]FoundFilm, error) {
	ratings := strings.ToUpper(strings.Join(ratingWords.FindAllString(question, -1), " "))
	films := []FoundFilm{}
	all := anyFilm.MatchString(question)
	for category, words := range spoken {
		if words.MatchString(question) {
			question += " " + category
		}
	}
	err := s.read(ctx, &films, searchSQL, question, ratings, all, limit)
	if lacksCharacter(err) {
		return films, nil
	}
	if err != nil {
		return nil, fmt.Errorf("search films: %w", err)
	}
	return films, nil
}
