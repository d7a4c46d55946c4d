package store

import "context"

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

// ForgeRentalCursor is ForgeCursor for rentals.
func ForgeRentalCursor(q RentalQuery, position string) string {
	return seal(fingerprint(q.identity(Paging{Order: q.Order})), []byte(position))
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
	conditions, err := q.where(context.Background(), session{})
	if err != nil {
		return "", nil, err
	}
	sql, args = r.sql(conditions)
	return s.layout.Load().write(sql), args, nil
}
