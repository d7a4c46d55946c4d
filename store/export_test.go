package store

import "github.com/uptrace/bun"

// MaxTexts is the number of statements that are kept.
const MaxTexts = maxTexts

// KeptTexts returns the number of statements that the store keeps, and of completed ones.
func KeptTexts(s *Store) (written, completed int) {
	l := s.layout.Load()
	l.texts.RLock()
	defer l.texts.RUnlock()
	interned.RLock()
	defer interned.RUnlock()
	return len(interned.byKey), len(l.texts.byKey)
}

// ForgeCursor returns a cursor for the query whose position is this JSON.
func ForgeCursor(q FilmQuery, position string) string {
	return forge(filmList, q.paging(), &q, position)
}

// ForgeRentalCursor is ForgeCursor for rentals.
func ForgeRentalCursor(q RentalQuery, position string) string {
	return forge(rentalList, q.Paging, q, position)
}

func forge(l list, p Paging, q query, position string) string {
	r, _ := l.prepare(p, q) // what is wrong with it does not matter
	return seal(r.fingerprint, []byte(position))
}

// FilmsSQL returns the completed statement of a query without actors, and its arguments.
func FilmsSQL(s *Store, q FilmQuery) (sql string, args []any, err error) {
	return listSQL(s, filmList, q.paging(), &q)
}

// RentalsSQL is FilmsSQL for rentals.
func RentalsSQL(s *Store, q RentalQuery) (sql string, args []any, err error) {
	return listSQL(s, rentalList, q.Paging, q)
}

// CustomersSQL is FilmsSQL for customers.
func CustomersSQL(s *Store, q CustomerQuery) (sql string, args []any, err error) {
	return listSQL(s, customerList, q.Paging, q)
}

// PaymentsSQL is FilmsSQL for the payments of a customer.
func PaymentsSQL(s *Store, customerID int32, p Paging) (sql string, args []any, err error) {
	return listSQL(s, paymentList, p, paymentQuery{PayerID: customerID})
}

func listSQL(s *Store, l list, p Paging, q query) (sql string, args []any, err error) {
	r, err := l.prepare(p, q)
	if err != nil {
		return "", nil, err
	}
	known := s.layout.Load()
	sql, args = r.sql(q, known.isSmall(l.table))
	return known.write(sql), args, nil
}

// Bun returns the database for bun's query builder.
func Bun(s *Store) *bun.DB { return s.reads.DB }

// TakeForSmall makes the store take these tables for small ones, and all others for large ones.
func TakeForSmall(s *Store, tables ...string) {
	known := s.layout.Load()
	s.layout.Store(&layout{schema: known.schema, collation: known.collation, small: tables})
}

// IsSmall reports whether the store has found that the table is small.
func IsSmall(s *Store, table string) bool { return s.layout.Load().isSmall(table) }
