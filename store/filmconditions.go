package store

import (
	"strconv"
	"strings"
	"unicode"
)

// The conditions of FilmQuery on the film f. Each numbers its own arguments from $1.
const (
	// searchQuery does not depend on default_text_search_config. As a subquery it is evaluated once.
	searchQuery = `(SELECT websearch_to_tsquery('pg_catalog.english', lower($1::text {unicode})))`

	// searchWords are the words in $2 that are no stop words. They consist of letters and digits, so they are no
	// patterns.
	searchWords = `unnest((SELECT $2::text[])) word WHERE numnode(` + wordQuery + `) > 0`
	wordQuery   = `plainto_tsquery('pg_catalog.english', lower(word {unicode}))`

	// abbreviated finds each of the words in the film, or at the beginning of a word of its title, for which
	// Pagila has no index. Few titles match the first pattern, which has all the words, so the rest costs little.
	// It is NULL if there are only stop words: they find nothing.
	abbreviated = `f.title {unicode} ~* (SELECT '\m(' || string_agg(word, '|') || ')' FROM ` + searchWords + `)
		AND NOT EXISTS (SELECT FROM unnest(ARRAY(SELECT ` + wordQuery + ` FROM ` + searchWords + `), ARRAY(SELECT '\m' || word FROM ` + searchWords + `))
			each_word (query, pattern) WHERE (f.fulltext @@ query OR f.title {unicode} ~* pattern) IS NOT TRUE)`

	// folded is the text in $1 as it is compared. A kept plan would evaluate it for each row without the SELECT.
	folded = `(SELECT lower(upper($1::text {unicode})))`

	// wanted are the names in $1 as they are compared.
	wanted = `(SELECT lower(upper(name {unicode})) FROM unnest($1::text[]) name)`

	// categoryIs is for a walk to a page. It costs little for each film on the way.
	categoryIs = `EXISTS (SELECT FROM {film_category} fc WHERE fc.film_id = f.film_id AND fc.category_id = ANY (ARRAY(
		SELECT category_id FROM {category} WHERE category_id > 0 AND lower(upper(name {unicode})) IN ` + wanted + `)))`

	// languageIs is for the languages of languagesNamed. min looks in Pagila's index whether there is any film in them.
	// Without it, a page of a language without films would read all films.
	languageIs = `f.language_id = ` + languagesNamed + `
		AND (SELECT min(any_film.language_id) FROM {film} any_film WHERE any_film.language_id = ` + languagesNamed + `) IS NOT NULL`

	// languagesNamed casts to text, which drops the blanks that character(20) adds.
	languagesNamed = `ANY (ARRAY(
		SELECT language_id FROM {language} WHERE language_id > 0 AND lower(upper(name::text {unicode})) IN ` + wanted + `))`

	// inStock names the stores because Pagila's index of copies begins with them.
	inStock = `EXISTS (SELECT FROM {inventory} i WHERE i.film_id = f.film_id AND i.inventory_id > 0
		AND i.store_id = ANY (CASE WHEN (SELECT $1::integer) = 0 THEN ARRAY(SELECT store_id FROM {store}) ELSE ARRAY[$1::integer] END)
		AND NOT EXISTS (SELECT FROM {rental} r WHERE ` + openRental + `))`
	inStore = `EXISTS (SELECT FROM {inventory} i WHERE i.film_id = f.film_id AND i.inventory_id > 0 AND i.store_id = $1::integer)`

	// PostgreSQL accepts NaN as a numeric, but it is not an amount of money.
	rentalRate      = `NULLIF(f.rental_rate, 'NaN')`
	replacementCost = `NULLIF(f.replacement_cost, 'NaN')`
)

var (
	hasTitle = fold(`f.title`) + ` LIKE ` + folded

	// hasFeatures folds the array as a text, which costs less than a subquery for each film. Features that are
	// spelled as in the query are found without that, and the planner knows how many films have them.
	hasFeatures = `(f.special_features @> $1::text[]
		OR ` + fold(`f.special_features::text`) + `::text[] @> ARRAY` + wanted + `)`

	hasActor = `EXISTS (SELECT FROM {film_actor} fa JOIN {actor} a USING (actor_id)
		WHERE fa.film_id = f.film_id AND a.actor_id > 0 AND ` + actorNamed(`$1`) + `)`
)

// categoryJoined is categoryIs for reading all matching films. The planner knows how many films have a category, and by the
// limit how many categories are wanted, which decides how to test the other conditions. For a walk to a page it would be
// slow: most films on the way have other categories.
func categoryJoined(wanted int) string {
	return `EXISTS (SELECT FROM {film_category} fc JOIN {category} c USING (category_id)
		WHERE fc.film_id = f.film_id AND category_id > 0 AND lower(upper(c.name {unicode})) IN (
			SELECT lower(upper(name {unicode})) FROM unnest($1::text[]) name LIMIT ` + strconv.Itoa(wanted) + `))`
}

// fold returns SQL for the text as it is compared. A condition on it may have to read every film, and Unicode's rules
// are slow. ASCII texts get the rules of C, which have the same result. In UTF-8 they are the texts with as many bytes
// as characters.
func fold(text string) string {
	const c = ` COLLATE pg_catalog."C"`
	return `CASE WHEN (SELECT getdatabaseencoding() = 'UTF8') AND octet_length(` + text + `) = length(` + text + `)
		THEN lower(` + text + c + `) ELSE lower(upper(` + text + ` {unicode}))` + c + ` END`
}

// conditions returns a statement with the conditions of the query. The search comes first: the order by relevance
// relies on its $1.
func (q *FilmQuery) conditions(all bool) *statement {
	s, words, category := &statement{}, prefixes(q.Search), categoryIs
	if all && len(q.Categories) > 0 {
		category = categoryJoined(len(q.Categories))
	}
	s.where(q.Search != "" && words != nil, `(f.fulltext @@ `+searchQuery+` OR `+abbreviated+`)`, q.Search, words)
	s.where(q.Search != "" && words == nil, `f.fulltext @@ `+searchQuery, q.Search)
	s.where(true, `f.film_id > 0`)
	if q.Title != "" {
		s.where(true, hasTitle, containing(q.Title))
	}
	s.whereAny(q.Categories, category)
	s.whereAny(q.Ratings, `f.rating::text = ANY (ARRAY(SELECT unnest($1::text[])))`)
	s.whereAny(q.Languages, languageIs)
	if len(q.SpecialFeatures) > 0 {
		s.whereSlow(true, hasFeatures, q.SpecialFeatures)
	}
	s.where(q.StreamingAvailable != nil, `COALESCE(f.streaming_available, false) = $1::boolean`, q.StreamingAvailable)
	s.where(q.InStock != nil && *q.InStock, inStock, q.StoreID)
	s.whereSlow(q.InStock != nil && !*q.InStock, `NOT `+inStock, q.StoreID)
	s.where(q.InStock == nil && q.StoreID != 0, inStore, q.StoreID)
	for i, name := range q.Actors {
		few := q.films[i]
		s.where(few != nil, `f.film_id = ANY ($1::integer[])`, few)
		s.where(few == nil, hasActor, oneBlank(name))
	}
	for _, id := range q.ActorIDs {
		s.where(true, `f.film_id IN (SELECT film_id FROM {film_actor} WHERE actor_id = $1::integer)`, id)
	}
	q.ReleaseYear.where(s, `f.release_year`, `integer`)
	q.Length.where(s, `f.length`, `integer`)
	q.RentalRate.where(s, rentalRate, `numeric`)
	q.ReplacementCost.where(s, replacementCost, `numeric`)
	q.RentalDuration.where(s, `f.rental_duration`, `integer`)
	return s
}

// containing returns the pattern of LIKE for texts that contain this one.
func containing(text string) string { return "%" + escapeLike.Replace(text) + "%" }

var escapeLike = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// prefixes returns the words of a search, which may be the beginnings of a title's words, or nil if the
// search has operators.
func prefixes(search string) []string {
	if strings.Contains(search, `"`) {
		return nil
	}
	for _, word := range strings.Fields(search) {
		if word[0] == '-' || strings.EqualFold(word, "or") {
			return nil
		}
	}
	return strings.FieldsFunc(search, func(r rune) bool { return !unicode.In(r, unicode.L, unicode.N, unicode.M) })
}
