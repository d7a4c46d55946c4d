package store

import (
	"context"
	"fmt"
	"strings"
)

// Actor is a row of the table actor.
type Actor struct {
	ActorID   int32  `json:"actor_id"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
}

// CountedActor is an actor with the number of the actor's films.
type CountedActor struct {
	Actor     `bun:",extend"`
	FilmCount int64
}

// ActorDetail is an actor with the actor's films, ordered by title.
type ActorDetail struct {
	Actor `bun:",extend"`
	Films []FilmTitle `bun:"type:jsonb"`
}

// FilmTitle names a film.
type FilmTitle struct {
	FilmID int32  `json:"film_id"`
	Title  string `json:"title"`
}

// ActorQuery chooses a page of actors.
type ActorQuery struct {
	Page     int32  // from 1
	PageSize int32  // at least 1
	Name     string // a part of the first name, a blank and the last name; "" means all
}

// ActorPage is a page of actors, ordered by last name, first name and id.
type ActorPage struct {
	Items []CountedActor // empty past the last page
	Total int64          // the number of actors on all pages
}

// actorsColumn is the column of the actors of the film f.
const actorsColumn = `
	COALESCE((
		SELECT jsonb_agg(jsonb_build_object('actor_id', a.actor_id, 'first_name', a.first_name, 'last_name', a.last_name)
			ORDER BY a.last_name, a.first_name, a.actor_id)
		FROM {film_actor} fa JOIN {actor} a USING (actor_id)
		WHERE fa.film_id = f.film_id AND a.actor_id > 0
	), '[]') AS actors`

// allActorsSQL counts the actors and reads a page of them separately, each in an index.
var allActorsSQL = actorsSQL("NOT MATERIALIZED", "")

var namedActorsSQL = actorsSQL("MATERIALIZED", `AND `+actorNamed(`$3`))

// actorNamed is the condition that the name of the actor a contains an argument, as named is.
func actorNamed(argument string) string { return named(`a`, argument) }

// named is the condition that the first name, a blank and the last name of a row contain an argument, which is made
// by oneBlank. Any whitespace in a name counts as one blank. Replacing it costs as much as the rest, so only the
// names that contain the first word come that far. strpos knows no special characters.
func named(row, argument string) string {
	name := `concat_ws(' ', ` + row + `.first_name, ` + row + `.last_name)`
	return `strpos(` + fold(name) + `, (SELECT lower(upper(split_part(` + argument + `::text, ' ', 1) {unicode})))) > 0
		AND strpos(` + fold(`regexp_replace(`+name+` {unicode}, '[[:space:]]+', ' ', 'g')`) + `,
			(SELECT lower(upper(` + argument + `::text {unicode})))) > 0`
}

// oneBlank separates the words of a name by one blank each.
func oneBlank(name string) string { return strings.Join(strings.Fields(name), " ") }

// actorsSQL returns a statement for the page and the total of the actors that meet a condition. Both come from
// one snapshot. The outer join keeps the total if the page is empty.
func actorsSQL(materialized, condition string) string {
	return `
WITH matching AS ` + materialized + ` (
	SELECT a.actor_id, a.first_name, a.last_name FROM {actor} a
	WHERE a.actor_id > 0 ` + condition + `
), page AS (
	SELECT * FROM matching ORDER BY last_name, first_name, actor_id LIMIT $1::bigint OFFSET $2::bigint
)
SELECT total.total, page.actor_id, page.first_name, page.last_name,
	(SELECT count(*) FROM {film_actor} fa WHERE fa.actor_id = page.actor_id AND fa.film_id > 0) AS film_count
FROM (SELECT count(*) AS total FROM matching) total
LEFT JOIN page ON true
ORDER BY page.last_name, page.first_name, page.actor_id`
}

// Actors returns one page of actors. A page past the last one is empty. A name matches without regard to case,
// and any blanks match any others. The ids of actors and films begin at 1. Rows with other ids are left out.
func (s *Store) Actors(ctx context.Context, q ActorQuery) (ActorPage, error) {
	var rows []struct {
		CountedActor `bun:",extend"`
		Total        int64
	}
	statement, args := allActorsSQL, []any{q.PageSize, int64(q.Page-1) * int64(q.PageSize)}
	if name := oneBlank(q.Name); name != "" {
		statement, args = namedActorsSQL, append(args, name)
	}
	err := s.read(ctx, "actors.page", &rows, statement, args...)
	if lacksCharacter(err) {
		return ActorPage{Items: []CountedActor{}}, nil
	}
	if err != nil {
		return ActorPage{}, fmt.Errorf("read actors: %w", err)
	}
	page := ActorPage{Items: make([]CountedActor, 0, len(rows)), Total: rows[0].Total}
	for _, row := range rows {
		if row.ActorID != 0 { // with 0, the row carries only the total
			page.Items = append(page.Items, row.CountedActor)
		}
	}
	return page, nil
}

const actorSQL = `
SELECT a.actor_id, a.first_name, a.last_name,
	COALESCE((
		SELECT jsonb_agg(jsonb_build_object('film_id', film_id, 'title', title) ORDER BY title, film_id)
		FROM (
			SELECT f.film_id, f.title FROM {film_actor} fa JOIN {film} f USING (film_id)
			WHERE fa.actor_id = a.actor_id AND f.film_id > 0
			ORDER BY f.title, f.film_id LIMIT 1000
		) films
	), '[]') AS films
FROM {actor} a WHERE a.actor_id = $1::integer`

// Actor returns an actor by id, with the first thousand films by title. The error is a *NotFoundError if there
// is none.
func (s *Store) Actor(ctx context.Context, id int32) (ActorDetail, error) {
	var actors []ActorDetail
	if err := s.read(ctx, "actor", &actors, actorSQL, id); err != nil {
		return ActorDetail{}, fmt.Errorf("read actor %d: %w", id, err)
	}
	if len(actors) == 0 {
		return ActorDetail{}, &NotFoundError{KindActor, id}
	}
	return actors[0], nil
}
