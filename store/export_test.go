package store

// CompletedTexts returns the number of completed statements that the store keeps.
func CompletedTexts(s *Store) int {
	l := s.layout.Load()
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.texts)
}

// ForgeCursor returns a cursor for the query whose position is this JSON.
func ForgeCursor(q FilmQuery, position string) string {
	order, _ := q.order()
	return seal(q.fingerprint(order), []byte(position))
}

// FilmsSQL returns the completed statement of a query without actors, and its arguments.
func FilmsSQL(s *Store, q FilmQuery) (sql string, args []any, err error) {
	order, after, err := q.prepare()
	if err != nil {
		return "", nil, err
	}
	sql, args = q.pageSQL(order, after)
	return s.layout.Load().write(sql), args, nil
}
