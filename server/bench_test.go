package server_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server"
	"example.com/pagila-api/server/internal/contract"
	"example.com/pagila-api/store"
)

// memoryStore returns the same page of films at once, so that only the work of this package is measured.
type memoryStore struct {
	server.Store
	films store.Page[store.Film]
}

func (s memoryStore) Films(context.Context, store.FilmQuery) (store.Page[store.Film], error) {
	return s.films, nil
}

// benchServer is a server whose store returns a page of 20 films.
func benchServer(b *testing.B) *server.Server {
	b.Helper()
	page := store.Page[store.Film]{Page: 1, Total: new(int64(1000))}
	for i := range int32(20) {
		page.Items = append(page.Items, store.Film{
			FilmID: 500 + i, Title: "ACADEMY DINOSAUR", Description: strings.Repeat("An Epic Drama of a Boat ", 4), ReleaseYear: 2006,
			Language: "English", Category: "Documentary", Rating: "PG-13", Length: 86, RentalRate: "4.99", RentalDuration: 6, ReplacementCost: "20.99",
			SpecialFeatures: []string{"Deleted Scenes", "Behind the Scenes"}, StreamingAvailable: true,
		})
	}
	s, err := server.New(server.Deps{Contract: loadContract(b), Store: memoryStore{films: page}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkFilmsPage serves a page of films, all but the query.
func BenchmarkFilmsPage(b *testing.B) {
	s, w := benchServer(b), sink{http.Header{}}
	r := httptest.NewRequest(http.MethodGet, "/films?category=Comedy&page_size=20", nil)
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		s.ServeHTTP(w, r)
	}
	if w.header.Get("Content-Type") != "application/json" {
		b.Errorf("the response has the header %v", w.header)
	}
}

// BenchmarkEncodeFilms converts a page of films and encodes it.
func BenchmarkEncodeFilms(b *testing.B) {
	s, w := benchServer(b), sink{http.Header{}}
	request := gen.ListFilmsRequestObject{}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		ctx, recycle := server.WithCall(b.Context())
		response, err := s.ListFilms(ctx, request)
		if err != nil {
			b.Fatal(err)
		}
		if err := response.VisitListFilmsResponse(w); err != nil {
			b.Fatal(err)
		}
		recycle()
	}
}

// BenchmarkEncodeProblem finds the problem of an error and encodes it.
func BenchmarkEncodeProblem(b *testing.B) {
	r := httptest.NewRequest(http.MethodGet, "/films/5000?page_size=0", nil)
	for name, err := range map[string]error{
		"not_found": &store.NotFoundError{Kind: store.KindFilm, ID: 5000},
		"invalid":   contract.Invalid(contract.Place{Parameter: "page_size", Detail: "number must be at least 1"}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if document := server.ProblemDocument(err, r); len(document) == 0 {
					b.Fatal("the document is empty")
				}
			}
		})
	}
}

// BenchmarkToolCall calls a tool as the language model does, all but the query.
func BenchmarkToolCall(b *testing.B) {
	s := benchServer(b)
	tools := server.ModelTools(s, httptest.NewRequest(http.MethodGet, "/ai/ask?question=x", nil))
	arguments := json.RawMessage(`{"category":["Comedy"],"page_size":20}`)
	b.ReportAllocs()
	for b.Loop() {
		if result, err := tools.Call(b.Context(), "listFilms", arguments); err != nil || result.Status != http.StatusOK {
			b.Fatalf("%d %s, %v", result.Status, result.Body, err)
		}
	}
}
