package server

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/store"
)

// groundingFilms is how many films of the catalogue a question is answered from. They have to fit
// a small model's context with room to spare.
const groundingFilms = 8

const blankQuestion = "the question has nothing in it that could be read"

// AskQuestion streams the language model's answer to a question about the catalogue.
func (s *Server) AskQuestion(ctx context.Context, request gen.AskQuestionRequestObject) (gen.AskQuestionResponseObject, error) {
	if llm.Blank(request.Params.Question) { // the contract's pattern knows only ASCII's blanks
		return nil, &invalidRequestError{inputs: []gen.InputError{{Parameter: new("question"), Detail: blankQuestion}}}
	}
	found, err := s.deps.Store.SearchFilms(ctx, request.Params.Question, groundingFilms)
	if err != nil {
		return nil, err
	}
	question := llm.Question{Text: request.Params.Question, Films: make([]llm.Film, len(found))}
	for i, f := range found {
		question.Films[i] = modelFilm(f)
	}
	a := answer{info: s.deps.Model.Info(), events: wantsEvents(ctx), problem: s.problemDocument(ctx)}
	if httpRequest(ctx).Method == http.MethodHead {
		return a, nil // the head needs no answer, so the model is not paid for one
	}
	a.ask = func(emit func(text string) error) (llm.Result, error) { return s.deps.Model.Ask(ctx, question, emit) }
	return a, nil
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
	summary, _, err := s.deps.Model.Summarize(ctx, modelFilm(found))
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
		Headers: gen.SummarizeFilm200ResponseHeaders{XAIProvider: info.Provider, XAIModel: info.Model},
	}, nil
}

// modelFilm is what a language model may know of a film.
func modelFilm(f store.FilmDetail) llm.Film {
	actors := make([]string, len(f.Actors))
	for i, a := range f.Actors {
		actors[i] = a.FirstName + " " + a.LastName
	}
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
// or used up is our trouble, never the client's, so it is a 503 and not a 401 or 429.
func modelProblem(err *llm.Error) problem {
	switch err.Kind {
	case llm.KindTimeout, llm.KindStalled:
		return describe(http.StatusGatewayTimeout, gen.ProblemCodeLLMTimeout, "The language model took too long.")
	case llm.KindAuth, llm.KindQuota, llm.KindRateLimited, llm.KindUnreachable, llm.KindUnavailable:
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
