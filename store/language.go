package store

import (
	"context"
	"fmt"
)

// Language is a row of the table language.
type Language struct {
	LanguageID int32
	Name       string
	FilmCount  int64
}

// languagesSQL counts the films that Films leaves out separately. Then all films can be counted in the index on
// language_id alone, and the others are found in the primary key. The cast to text drops the blanks that
// character(20) adds.
const languagesSQL = `
SELECT l.language_id, l.name::text AS name, COALESCE(counted.films, 0) - COALESCE(hidden.films, 0) AS film_count
FROM {language} l
LEFT JOIN (
	SELECT language_id, count(*) AS films FROM {film} GROUP BY language_id
) counted USING (language_id)
LEFT JOIN (
	SELECT language_id, count(*) AS films FROM {film} WHERE film_id < 1 GROUP BY language_id
) hidden USING (language_id)
WHERE l.language_id > 0
ORDER BY name, l.language_id LIMIT 1000`

// Languages returns the first thousand languages, by name. Their ids begin at 1. Rows with other ids are left
// out, and so are the films that Films leaves out.
func (s *Store) Languages(ctx context.Context) ([]Language, error) {
	languages := []Language{}
	if err := s.read(ctx, "languages", &languages, languagesSQL); err != nil {
		return nil, fmt.Errorf("read the languages: %w", err)
	}
	return languages, nil
}
