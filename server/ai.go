package server

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/store"
)

// groundingFilms is how many films of the catalogue are looked at for a question, and package llm
// chooses among them. That is all of Pagila's, so that the longest film is the longest there is.
const groundingFilms = 1000

// AskQuestion streams the language model's answer to a question about the catalogue.
func (s *Server) AskQuestion(ctx context.Context, request gen.AskQuestionRequestObject) (gen.AskQuestionResponseObject, error) {
	parameter := gen.InputError{Parameter: new("question"), Detail: blankQuestion}
	question, err := s.question(ctx, request.Params.Question, parameter)
	if err != nil {
		return nil, err
	}
	info := s.deps.Model.Info()
	a := answer{
		info:    info,
		sources: sources(question.Sources()),
		events:  wantsEvents(ctx),
		whole:   !wantsEvents(ctx) && !httpRequest(ctx).ProtoAtLeast(1, 1),
		limits:  s.deps.Limits,
		arrival: ctx.(*gin.Context).GetTime(keyArrival),
		problem: s.problemDocument(ctx),
	}
	if httpRequest(ctx).Method == http.MethodHead {
		return a, nil // the head needs no answer, so the model is not paid for one
	}
	a.ask = func(emit func(text string) error) (llm.Result, error) { return s.deps.Model.Ask(ctx, question, emit) }
	return a, nil
}

// HandOff has the right agent answer a question.
func (s *Server) HandOff(ctx context.Context, request gen.HandOffRequestObject) (gen.HandOffResponseObject, error) {
	member := gen.InputError{Pointer: new("#/question"), Detail: blankQuestion}
	question, err := s.question(ctx, request.Body.Question, member)
	if err != nil {
		return nil, err
	}
	doneWithDatabase(ctx)
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

// question searches the catalogue for a question. A question of which nothing can be seen is refused
// as bad says: the contract's pattern knows only ASCII's blanks.
func (s *Server) question(ctx context.Context, text string, bad gen.InputError) (llm.Question, error) {
	if llm.Blank(text) {
		return llm.Question{}, &invalidRequestError{inputs: []gen.InputError{bad}}
	}
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

const blankQuestion = "the question has nothing in it that could be read"

func sources(films []llm.Source) []gen.Source {
	list := make([]gen.Source, len(films)) // none is [], not null
	for i, f := range films {
		list[i] = gen.Source{FilmID: f.FilmID, Title: f.Title}
	}
	return list
}

// SummarizeFilm answers with what the language model says of a film, once it is verified.
func (s *Server) SummarizeFilm(ctx context.Context, request gen.SummarizeFilmRequestObject) (gen.SummarizeFilmResponseObject, error) {
	found, err := s.deps.Store.Film(ctx, request.Body.FilmID)
	if err != nil {
		return nil, err
	}
	if found.Rating == "" {
		return nil, errFilmNotRated // a summary without a rating would not be one of the contract's
	}
	actors := make([]string, len(found.Actors))
	for i, a := range found.Actors {
		actors[i] = a.FirstName + " " + a.LastName
	}
	doneWithDatabase(ctx)
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

// modelFilm is what a language model may know of a film.
func modelFilm(f store.Film, actors []string) llm.Film {
	return llm.Film{
		ID: f.FilmID, Title: f.Title, Description: f.Description, Category: f.Category, Rating: f.Rating,
		ReleaseYear: f.ReleaseYear, Length: f.Length, Language: f.Language, RentalRate: f.RentalRate,
		RentalDuration: f.RentalDuration, Actors: actors, StreamingAvailable: f.StreamingAvailable,
		SpecialFeatures: f.SpecialFeatures,
	}
}

// httpRequest is the request that a handler answers. The generated code passes Gin's context.
func httpRequest(ctx context.Context) *http.Request { return ctx.(*gin.Context).Request }

// modelProblem is what an error of the language model means to the client. A key that is refused
// or used up is our trouble, never the client's, so it is a 503 and not a 401 or 429. So is a model
// that the upstream does not have.
func modelProblem(err *llm.Error) problem {
	switch err.Kind {
	case llm.KindTimeout, llm.KindStalled:
		return describe(http.StatusGatewayTimeout, gen.ProblemCodeLLMTimeout, "The language model took too long.")
	case llm.KindAuth, llm.KindQuota, llm.KindRateLimited, llm.KindUnreachable, llm.KindUnavailable, llm.KindNoModel:
		p := describe(http.StatusServiceUnavailable, gen.ProblemCodeLLMUnavailable, "The language model cannot be used just now.")
		p.retryAfter = max(err.RetryAfter, retryAfter)
		return p
	case llm.KindFiltered, llm.KindTooLong:
		return describe(http.StatusUnprocessableEntity, gen.ProblemCodeLLMRefused, "The language model would not answer this.")
	case llm.KindUnverified:
		return describe(http.StatusBadGateway, gen.ProblemCodeLLMUnverified, "The language model's answer did not stand up to the checks.")
	default:
		return describe(http.StatusBadGateway, gen.ProblemCodeLLMBadResponse, "The language model's answer was broken.")
	}
}
