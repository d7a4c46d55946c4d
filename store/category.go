package store

import (
	"context"
	"fmt"
)

// Category is a row of the table category.
type Category struct {
	CategoryID int32
	Name       string
	FilmCount  int64
}

const categoriesSQL = `
SELECT c.category_id, c.name, COALESCE(counted.films, 0) AS film_count
FROM {category} c
LEFT JOIN (
	SELECT category_id, count(*) AS films FROM {film_category} WHERE film_id > 0 GROUP BY category_id
) counted USING (category_id)
WHERE c.category_id > 0
ORDER BY c.name, c.category_id LIMIT 1000`

// Categories returns the first thousand categories, by name. Their ids begin at 1. Rows with other ids are left
// out, and so are the films that Films leaves out.
func (s *Store) Categories(ctx context.Context) ([]Category, error) {
	categories := []Category{}
	if err := s.read(ctx, "categories", &categories, categoriesSQL); err != nil {
		return nil, fmt.Errorf("read the categories: %w", err)
	}
	return categories, nil
}
