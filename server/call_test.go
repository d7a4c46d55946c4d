package server_test

import (
	"testing"

	"example.com/pagila-api/gen"
)

// A handler that is called directly, without an HTTP request, works.
func TestHandlersWithoutRequest(t *testing.T) {
	t.Parallel()
	s := start(t).server
	if _, err := s.AskQuestion(t.Context(), gen.AskQuestionRequestObject{Params: gen.AskQuestionParams{Question: "comedies"}}); err != nil {
		t.Errorf("askQuestion: %v", err)
	}
	if _, err := s.HandOff(t.Context(), gen.HandOffRequestObject{Body: &gen.HandOffJSONRequestBody{Question: "comedies"}}); err != nil {
		t.Errorf("handOff: %v", err)
	}
	if _, err := s.SummarizeFilm(t.Context(), gen.SummarizeFilmRequestObject{Body: &gen.SummarizeFilmJSONRequestBody{FilmID: 1}}); err != nil {
		t.Errorf("summarizeFilm: %v", err)
	}
}
