package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// wantCatalogue makes each kind of call for what surrounds the films.
func wantCatalogue(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	wantCopies(t, s)
	if categories, err := s.Categories(ctx); err != nil || len(categories) != 16 || categories[4].Name != "Comedy" || categories[4].FilmCount == 0 {
		t.Errorf("categories: %+v, %v", categories, err)
	}
	if languages, err := s.Languages(ctx); err != nil || len(languages) != 6 || languages[0].Name != "English" || languages[0].FilmCount == 0 {
		t.Errorf("languages: %+v, %v", languages, err)
	}
	if shops, err := s.Shops(ctx); err != nil || len(shops) != 2 || shops[1].City == "" || shops[1].Country == "" || shops[1].Address == "" {
		t.Errorf("stores: %+v, %v", shops, err)
	}
	all, err := s.Actors(ctx, store.ActorQuery{Page: 1, PageSize: 3})
	if err != nil || len(all.Items) != 3 || all.Total != 200 || all.Items[0].FilmCount == 0 {
		t.Fatalf("actors: %+v, %v", all, err)
	}
	first := all.Items[0].Actor
	named, err := s.Actors(ctx, store.ActorQuery{Page: 1, PageSize: 3, Name: strings.ToLower(first.FirstName) + "\t" + strings.ToLower(first.LastName)})
	if err != nil || len(named.Items) == 0 || named.Items[0].LastName != first.LastName {
		t.Errorf("actors named %+v: %+v, %v", first, named, err)
	}
	if actor, err := s.Actor(ctx, first.ActorID); err != nil || actor.Actor != first || int64(len(actor.Films)) != all.Items[0].FilmCount {
		t.Errorf("actor: %+v, %v", actor, err)
	}
}

// wantCopies checks that a film's copies and its availability agree.
func wantCopies(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	film, err := s.Film(ctx, 1)
	if err != nil || len(film.Categories) == 0 {
		t.Errorf("film: %+v, %v", film, err)
	}
	copies, err := s.Copies(ctx, 1)
	if err != nil || len(copies) == 0 {
		t.Errorf("copies: %+v, %v", copies, err)
	}
	for _, store := range film.Availability {
		for _, c := range copies {
			if c.StoreID != store.StoreID {
				continue
			}
			store.Copies--
			if c.InStock {
				store.InStock--
			}
			if c.InStock != (c.DueDate == nil) {
				t.Errorf("copy %d: in stock %t, due %v", c.InventoryID, c.InStock, c.DueDate)
			}
		}
		if store.Copies != 0 || store.InStock != 0 {
			t.Errorf("store %d: %d copies and %d in stock are not listed", store.StoreID, store.Copies, store.InStock)
		}
	}
}

// wantActorsOfEveryCase checks that an actor is found without regard to case, whatever the database's locale.
func wantActorsOfEveryCase(t *testing.T, s *store.Store, conn *pgx.Conn) {
	t.Helper()
	pgtest.Exec(t, conn.Exec, `INSERT INTO actor (first_name, last_name) VALUES ('ÇILGIN', 'Straße'), ('Σίσυφος', 'ИВАНОВ'), ('éric', 'İnce')`)
	for name, want := range map[string]int64{
		"çilgin straße": 1, "ÇILGIN STRASSE": 1, "σίσυφοσ ИВАНов": 1, "ΣΊΣΥΦΟΣ": 1, "ÉRIC": 1, "E\u0301RIC": 0,
	} {
		if page, err := s.Actors(t.Context(), store.ActorQuery{Page: 1, PageSize: 1, Name: name}); err != nil || page.Total != want {
			t.Errorf("%s: %d actors, %v, want %d", name, page.Total, err, want)
		}
	}
}

func TestCatalogueNotFound(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.New(t))
	var notFound *store.NotFoundError
	if _, err := s.Copies(t.Context(), 2147483647); !errors.As(err, &notFound) || *notFound != (store.NotFoundError{Kind: store.KindFilm, ID: 2147483647}) {
		t.Errorf("copies: %v", err)
	}
	if _, err := s.Actor(t.Context(), 2147483647); !errors.As(err, &notFound) || *notFound != (store.NotFoundError{Kind: store.KindActor, ID: 2147483647}) {
		t.Errorf("actor: %v", err)
	}
}
