package server

import (
	"context"
	"net/http"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
)

// AskQuestion streams the language model's answer to a question about the catalogue.
func (s *Server) AskQuestion(ctx context.Context, request gen.AskQuestionRequestObject) (gen.AskQuestionResponseObject, error) {
	call := callOf(ctx)
	events := prefers(call.request, "text/event-stream", "text/plain")
	a := streamedAnswer{
		info:     s.deps.Model.Info(),
		events:   events,
		whole:    !events && !call.request.ProtoAtLeast(1, 1),
		limits:   s.deps.Limits,
		arrival:  call.arrival,
		observer: s.observer,
		ctx:      call.request.Context(),
		problem:  func(err error) []byte { return problemOf(err).document(call) },
	}
	if call.request.Method == http.MethodHead {
		return a, nil // only the head is sent, so the model is not asked
	}
	question := llm.Question{Text: request.Params.Question, Tools: s.modelTools(ctx)}
	a.ask = func(o llm.Observer) (llm.Result, error) { return s.deps.Model.Ask(ctx, question, o) }
	return a, nil
}

// HandOff hands a question off to the agent that can answer it.
func (s *Server) HandOff(ctx context.Context, request gen.HandOffRequestObject) (gen.HandOffResponseObject, error) {
	callOf(ctx).doneWithDatabase() // the calls of tools have slots of their own
	handoff, err := s.deps.Model.Handoff(ctx, llm.Question{Text: request.Body.Question, Tools: s.modelTools(ctx)})
	if err != nil {
		return nil, err
	}
	response := gen.HandOff200JSONResponse{Body: gen.Answer{
		Agent:   gen.AnswerAgent(handoff.Agent),
		Answer:  handoff.Answer,
		Sources: sources(handoff.Sources.Films),
		Total:   handoff.Sources.Total,
	}}
	if handoff.Agent == llm.AgentModel {
		info := s.deps.Model.Info()
		response.Headers = gen.HandOff200ResponseHeaders{XAIProvider: &info.Provider, XAIModel: &info.Model, XAIPrompt: &info.AskPrompt}
	}
	return response, nil
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
	found, err := s.deps.Store.FilmFacts(ctx, request.Body.FilmID)
	if err != nil {
		return nil, err
	}
	if found.Rating == "" {
		return nil, errFilmNotRated // the contract requires a rating in a summary
	}
	callOf(ctx).doneWithDatabase()
	summary, _, err := s.deps.Model.Summarize(ctx, llm.Film{
		ID: found.FilmID, Title: found.Title, Rating: found.Rating, RentalRate: found.RentalRate,
	})
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
