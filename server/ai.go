package server

import (
	"context"
	"net/http"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/store"
)

// groundingFilms is the number of films that a search of the catalogue may return for a question. Package
// llm chooses among them. Pagila has no more, so the longest film is the longest of all.
const groundingFilms = 1000

// AskQuestion streams the language model's answer to a question about the catalogue.
func (s *Server) AskQuestion(ctx context.Context, request gen.AskQuestionRequestObject) (gen.AskQuestionResponseObject, error) {
	question, err := s.question(ctx, request.Params.Question)
	if err != nil {
		return nil, err
	}
	call := callOf(ctx)
	events := wantsEvents(call.request)
	a := streamedAnswer{
		info:    s.deps.Model.Info(),
		sources: sources(question.Sources()),
		events:  events,
		whole:   !events && !call.request.ProtoAtLeast(1, 1),
		limits:  s.deps.Limits,
		arrival: call.arrival,
		problem: func(err error) []byte { return problemOf(err).document(call) },
	}
	if call.request.Method == http.MethodHead {
		return a, nil // only the head is sent, so the model is not asked
	}
	a.ask = func(emit func(text string) error) (llm.Result, error) { return s.deps.Model.Ask(ctx, question, emit) }
	return a, nil
}

// HandOff hands a question off to the agent that can answer it.
func (s *Server) HandOff(ctx context.Context, request gen.HandOffRequestObject) (gen.HandOffResponseObject, error) {
	question, err := s.question(ctx, request.Body.Question)
	if err != nil {
		return nil, err
	}
	callOf(ctx).doneWithDatabase()
	handoff, err := s.deps.Model.Handoff(ctx, question)
	if err != nil {
		return nil, err
	}
	response := gen.HandOff200JSONResponse{Body: gen.Answer{
		Agent:   gen.AnswerAgent(handoff.Agent),
		Answer:  handoff.Answer,
		Sources: sources(handoff.Sources),
	}}
	if handoff.Agent == llm.AgentModel {
		info := s.deps.Model.Info()
		response.Headers = gen.HandOff200ResponseHeaders{XAIProvider: &info.Provider, XAIModel: &info.Model, XAIPrompt: &info.AskPrompt}
	}
	return response, nil
}

// question searches the catalogue for a question.
func (s *Server) question(ctx context.Context, text string) (llm.Question, error) {
	found, err := s.deps.Store.SearchFilms(ctx, text, groundingFilms)
	if err != nil {
		return llm.Question{}, err
	}
	films := make([]llm.Film, len(found))
	for i, f := range found {
		films[i] = modelFilm(f.Film, f.Actors)
		films[i].Stock = &llm.Stock{Copies: f.Copies, Available: f.AvailableCopies}
		films[i].ReplacementCost = f.ReplacementCost
	}
	return llm.NewQuestion(text, films), nil
}

func sources(films []llm.Source) []gen.Source {
	list := make([]gen.Source, len(films)) // never nil: JSON needs [], not null
	for i, f := range films {
		list[i] = gen.Source{FilmID: f.FilmID, Title: f.Title}
	}
	return list
}

// SummarizeFilm responds with the language model's summary of a film, after it has been verified.
func (s *Server) SummarizeFilm(ctx context.Context, request gen.SummarizeFilmRequestObject) (gen.SummarizeFilmResponseObject, error) {
	found, err := s.deps.Store.Film(ctx, request.Body.FilmID)
	if err != nil {
		return nil, err
	}
	if found.Rating == "" {
		return nil, errFilmNotRated // the contract requires a rating in a summary
	}
	actors := make([]string, len(found.Actors))
	for i, a := range found.Actors {
		actors[i] = a.FirstName + " " + a.LastName
	}
	callOf(ctx).doneWithDatabase()
	summary, _, err := s.deps.Model.Summarize(ctx, modelFilm(found.Film, actors))
	if err != nil {
		return nil, err
	}
	info := s.deps.Model.Info()
	return gen.SummarizeFilm200JSONResponse{
		Body: gen.FilmSummary{
			Title:       summary.Title,
			Rating:      gen.Rating(summary.Rating),
			Recommended: summary.Recommended,
		},
		Headers: gen.SummarizeFilm200ResponseHeaders{XAIProvider: info.Provider, XAIModel: info.Model, XAIPrompt: info.SummaryPrompt},
	}, nil
}

// modelFilm returns what a language model may know about a film.
func modelFilm(f store.Film, actors []string) llm.Film {
	return llm.Film{
		ID: f.FilmID, Title: f.Title, Description: f.Description, Category: f.Category, Rating: f.Rating,
		ReleaseYear: f.ReleaseYear, Length: f.Length, Language: f.Language, RentalRate: f.RentalRate,
		RentalDuration: f.RentalDuration, Actors: actors, StreamingAvailable: f.StreamingAvailable,
		SpecialFeatures: f.SpecialFeatures,
	}
}
