// Package server is the HTTP side: it turns requests into calls of the store and the language
// model, and what they return into responses.
//
// The routes, the types on the wire and the binding of parameters are generated from the contract
// into package gen; this package implements its StrictServerInterface. A request passes, in this
// order: the headers for browsers of other origins, a first look of admission control, body limit, request
// id and access log, recovery, validation against the contract with authentication, the language model's limits, the generated binding,
// admission control, and a handler. A handler only converts and calls. Errors have one exit, fail in
// problem.go; a refusal at the first look is written in admission.go.
package server

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/store"
)

// maxBody is the largest request body, in bytes. The contract's own bodies are well below 1 KiB.
const maxBody = 1 << 20

// Store is the database, as the handlers need it. The errors are those of package store.
type Store interface {
	Films(ctx context.Context, q store.FilmQuery) (store.FilmPage, error)
	Film(ctx context.Context, id int32) (store.FilmDetail, error)
	SearchFilms(ctx context.Context, question string, limit int) ([]store.FoundFilm, error)
	CreateRental(ctx context.Context, n store.NewRental) (store.Rental, error)
	Rental(ctx context.Context, customerID, id int32) (store.Rental, error)
	Status(ctx context.Context) (store.Status, error)
}

// Model is the language model, as the handlers need it. The errors are those of package llm.
type Model interface {
	Info() llm.Info
	Ask(ctx context.Context, q llm.Question, emit func(text string) error) (llm.Result, error)
	Handoff(ctx context.Context, q llm.Question) (llm.Handoff, error)
	Summarize(ctx context.Context, f llm.Film) (llm.Summary, llm.Result, error)
}

// Credentials say who may call what needs a token.
type Credentials struct {
	Token    string // the bearer token
	Username string // what POST /token gives the token for
	Password string
}

// Deps is all that the server needs. Every field is required but Limits, TrustedProxies and Origins.
// Without a Store, what needs one is refused until Ready.
type Deps struct {
	Contract    *openapi3.T
	Store       Store
	Model       Model
	Credentials Credentials
	Limits      Limits
	// TrustedProxies are the addresses or networks (192.0.2.0/24) of the proxies whose
	// X-Forwarded-For is believed. Without them the client is where the connection comes from.
	TrustedProxies []string
	// Origins are the origins (https://app.example.com) whose pages may use the API in a browser, or
	// * for any. Without them only pages of the server's own origin may.
	Origins []string
	Logger  *slog.Logger
}

// Server is the API as an http.Handler.
type Server struct {
	deps       Deps
	handler    http.Handler
	operations operations
	admission  *admission
	limiter    *limiter
	proxies    proxies
	startup    startup
	draining   atomic.Bool
	docs       docs
}

var _ gen.StrictServerInterface = (*Server)(nil)

// New builds the server. It fails when the contract cannot be served.
func New(deps Deps) (*Server, error) {
	deps.Limits.WriteTimeout = cmp.Or(deps.Limits.WriteTimeout, defaultWriteTimeout)
	deps.Limits.KeepAlive = cmp.Or(deps.Limits.KeepAlive, defaultKeepAlive)
	deps.Limits.HeadHold = cmp.Or(deps.Limits.HeadHold, defaultHeadHold)
	s := &Server{deps: deps, operations: newOperations(deps.Contract)}
	s.admission = newAdmission(deps.Limits.InFlight, s.operations, deps.Logger)
	s.startup.over.Store(deps.Store != nil)
	s.Starting("its database is not ready yet")
	var err error
	if s.limiter, err = newLimiter(deps.Limits); err != nil {
		return nil, fmt.Errorf("set up the limits: %w", err)
	}
	if s.proxies, err = newProxies(deps.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	if s.docs, err = newDocs(deps.Contract); err != nil {
		return nil, fmt.Errorf("prepare the documentation: %w", err)
	}

	gin.SetMode(gin.ReleaseMode) // in its debug mode Gin prints each route
	engine := gin.New()
	// The contract has one path for each resource: no redirects.
	engine.RedirectTrailingSlash = false
	engine.RedirectFixedPath = false
	engine.HandleMethodNotAllowed = true
	// Without it a handler's context never ends, even when the client has left.
	engine.ContextWithFallback = true
	engine.ForwardedByClientIP = false // Gin believes more headers than we do: see proxies
	engine.NoRoute(func(c *gin.Context) { s.fail(c, errNoRoute) })
	engine.NoMethod(func(c *gin.Context) { s.fail(c, errNoMethod) })
	engine.Use(s.identify, s.recover, s.preflight, s.validate(), s.awaitStore, s.limit)

	gen.RegisterHandlersWithOptions(engine,
		gen.NewStrictHandlerWithOptions(s, []gen.StrictMiddlewareFunc{detach, s.admit}, gen.StrictGinServerOptions{
			RequestErrorHandlerFunc:  func(c *gin.Context, err error) { s.fail(c, &invalidRequestError{err: errBinding}) },
			HandlerErrorFunc:         s.fail,
			ResponseErrorHandlerFunc: s.fail,
		}),
		gen.GinServerOptions{
			ErrorHandler: func(c *gin.Context, err error, _ int) { s.fail(c, &invalidRequestError{err: errBinding}) },
		})
	for _, route := range engine.Routes() {
		if route.Method == http.MethodGet { // RFC 9110, section 9.1: GET and HEAD go together
			engine.HEAD(route.Path, route.HandlerFunc)
		}
	}
	// Outside of Gin, whose writer hides from net/http that a body was too large: the connection
	// would go on, and the rest of the body be taken for the next request.
	s.handler = s.admitFirst(http.MaxBytesHandler(s.closing(engine), maxBody))
	if len(deps.Origins) > 0 {
		// Outermost: a page can read no response without these headers, a refusal no more than another.
		cross, err := newCORS(deps.Origins, deps.Contract)
		if err != nil {
			return nil, fmt.Errorf("origins: %w", err)
		}
		s.handler = oneOrigin(cross.Handler(s.handler))
	}
	return s, nil
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close writes to the log what is still to be written. It is called once no request is under way.
func (s *Server) Close() { s.admission.refused.write() }

// detach gives the handler a context of its own. Gin uses its contexts again for later requests,
// while database/sql and others may watch theirs a little longer than the handler runs.
func detach(handle gen.StrictHandlerFunc, _ string) gen.StrictHandlerFunc {
	return func(c *gin.Context, request any) (any, error) { return handle(c.Copy(), request) }
}
