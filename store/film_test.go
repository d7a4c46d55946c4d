package store_test

import (
	"errors"
	"reflect"
	"regexp"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// readFilm returns a film.
func readFilm(t *testing.T, s *store.Store, id int32) store.FilmDetail {
	t.Helper()
	film, err := s.Film(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return film
}

// wantFilmUpdate changes a film that was read, and checks that its version has no other use.
func wantFilmUpdate(t *testing.T, s *store.Store, conn *pgx.Conn) {
	t.Helper()
	const id = 2 // other checks rely on film 1
	before := readFilm(t, s, id)
	update := store.FilmUpdate{StreamingAvailable: !before.StreamingAvailable}
	changed, err := s.UpdateFilm(t.Context(), id, []string{"other", before.Version}, update)
	if err != nil || changed.StreamingAvailable != update.StreamingAvailable || changed.Version == before.Version {
		t.Errorf("changed: %+v, %v", changed, err)
	}
	if read := readFilm(t, s, id); !reflect.DeepEqual(read, changed) {
		t.Errorf("read: %+v, want %+v", read, changed)
	}
	if _, err := s.UpdateFilm(t.Context(), id, []string{before.Version}, update); !errors.Is(err, store.ErrFilmChanged) {
		t.Errorf("with the old version: %v", err)
	}
	if stored := pgtest.Value[bool](t, conn.QueryRow, `SELECT streaming_available FROM film WHERE film_id = $1`, id); stored != update.StreamingAvailable {
		t.Errorf("the row says %t", stored)
	}
}

// Of several writers who have read the same version, one succeeds. Another transaction makes some of them wait for the
// row together.
func TestUpdateFilmOnce(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	wantFilmUpdate(t, s, conn)
	before := readFilm(t, s, 1)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, tx.Exec, `SELECT FROM film WHERE film_id = 1 FOR NO KEY UPDATE`)
	var wg sync.WaitGroup
	done := make(chan store.FilmDetail, 20)
	for range cap(done) {
		wg.Go(func() {
			changed, err := s.UpdateFilm(t.Context(), 1, []string{before.Version}, store.FilmUpdate{StreamingAvailable: !before.StreamingAvailable})
			if err == nil {
				done <- changed
			} else if !errors.Is(err, store.ErrFilmChanged) {
				t.Error(err)
			}
		})
	}
	wantSession(t, pgtest.Connect(t, address), `wait_event_type = 'Lock' GROUP BY datname HAVING count(*) >= 4`)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if len(done) != 1 {
		t.Fatalf("%d writers succeeded", len(done))
	}
	if changed, read := <-done, readFilm(t, s, 1); !reflect.DeepEqual(changed, read) {
		t.Errorf("changed: %+v, read: %+v", changed, read)
	}
}

// The version changes if any part of the detail changes. Other columns of the film do not change it.
func TestFilmVersion(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	copyID := pgtest.Value[int32](t, conn.QueryRow, `SELECT min(inventory_id) FROM inventory i WHERE NOT EXISTS (
		SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND return_date IS NULL)`)
	id := pgtest.Value[int32](t, conn.QueryRow, `SELECT film_id FROM inventory WHERE inventory_id = $1`, copyID)
	first := readFilm(t, s, id).Version
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(first) {
		t.Errorf("the version is %q", first)
	}
	pgtest.Exec(t, conn.Exec, `UPDATE film SET last_update = now(), original_language_id = 2, streaming_available = NULL WHERE film_id = $1`, id)
	if same := readFilm(t, s, id).Version; same != first {
		t.Errorf("the version changed to %s", same)
	}
	seen := map[string]string{first: "nothing"}
	for _, change := range []string{
		`UPDATE film SET title = title || '!' WHERE film_id = $1`,
		`UPDATE film SET description = NULL WHERE film_id = $1`,
		`UPDATE film SET release_year = 1999 WHERE film_id = $1`,
		`UPDATE film SET language_id = 2 WHERE film_id = $1`,
		`UPDATE film SET rental_rate = 'NaN' WHERE film_id = $1`,
		`UPDATE film SET replacement_cost = 0.01 WHERE film_id = $1`,
		`UPDATE film SET special_features = NULL WHERE film_id = $1`,
		`INSERT INTO film_category (film_id, category_id) SELECT $1::integer, category_id FROM category ON CONFLICT DO NOTHING`,
		`DELETE FROM film_actor WHERE film_id = $1`,
		`INSERT INTO inventory (film_id, store_id) VALUES ($1, 1)`,
	} {
		pgtest.Exec(t, conn.Exec, change, id)
		version := readFilm(t, s, id).Version
		if other, ok := seen[version]; ok {
			t.Errorf("%s: the version is the one after %s", change, other)
		}
		seen[version] = change
	}
	before := readFilm(t, s, id)
	if _, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: copyID, StaffID: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UpdateFilm(t.Context(), id, []string{before.Version}, store.FilmUpdate{StreamingAvailable: true}); !errors.Is(err, store.ErrFilmChanged) {
		t.Errorf("after a rental: %v", err)
	}
	after := readFilm(t, s, id)
	if after.Version == before.Version || after.StreamingAvailable {
		t.Errorf("after a rental: %+v", after)
	}
}

// The version of a film is the same over every kind of connection, so that clients of several servers can use it.
func TestFilmVersionEverywhere(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	want := map[int32]string{}
	direct := open(t, address)
	pgtest.Exec(t, pgtest.Connect(t, address).Exec, `UPDATE film SET special_features = NULL, rental_rate = 5 WHERE film_id = 3`)
	for id := range int32(5) {
		want[1+id] = readFilm(t, direct, 1+id).Version
	}
	for _, url := range []string{
		pgtest.WithParameters(t, address, "default_query_exec_mode=exec&timezone=Asia/Tokyo"),
		pgtest.WithParameters(t, address, "default_query_exec_mode=simple_protocol&datestyle=German"),
		pgtest.WithParameters(t, address, "default_query_exec_mode=cache_describe"),
		pgtest.Bouncer(t, address),
	} {
		s := open(t, url)
		for id, version := range want {
			if film := readFilm(t, s, id); film.Version != version {
				t.Errorf("film %d has version %s, want %s", id, film.Version, version)
			}
		}
	}
}

func TestUpdateFilmRefusals(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	var notFound *store.NotFoundError
	if _, err := s.UpdateFilm(t.Context(), 2147483647, nil, store.FilmUpdate{}); !errors.As(err, &notFound) || notFound.Kind != store.KindFilm {
		t.Errorf("no film: %v", err)
	}
	film := readFilm(t, s, 1)
	for _, versions := range [][]string{nil, {""}, {film.Version[1:]}, {"*"}} {
		if _, err := s.UpdateFilm(t.Context(), 1, versions, store.FilmUpdate{StreamingAvailable: true}); !errors.Is(err, store.ErrFilmChanged) {
			t.Errorf("%q: %v", versions, err)
		}
	}
	if unchanged := readFilm(t, s, 1); !reflect.DeepEqual(unchanged, film) {
		t.Errorf("changed: %+v", unchanged)
	}
	// A change to what the film is already succeeds, and is no new version.
	same, err := s.UpdateFilm(t.Context(), 1, []string{film.Version}, store.FilmUpdate{StreamingAvailable: film.StreamingAvailable})
	if err != nil || !reflect.DeepEqual(same, film) {
		t.Errorf("no change: %+v, %v", same, err)
	}
	if n := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM film WHERE streaming_available`); n != 0 {
		t.Errorf("%d films can be streamed", n)
	}
}

// Pagila's own triggers on films work with the change.
func TestUpdateFilmTriggers(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	before := pgtest.Value[string](t, conn.QueryRow, `SELECT fulltext::text FROM film WHERE film_id = 1`)
	if _, err := s.UpdateFilm(t.Context(), 1, []string{readFilm(t, s, 1).Version}, store.FilmUpdate{StreamingAvailable: true}); err != nil {
		t.Fatal(err)
	}
	if !pgtest.Value[bool](t, conn.QueryRow, `SELECT last_update > now() - interval '1 hour' AND fulltext::text = $1 FROM film WHERE film_id = 1`, before) {
		t.Error("last_update is old, or the words changed")
	}
}
