// Package server implements the API over HTTP: it turns requests into calls to the store and the language
// model, and their results into responses.
//
// Package gen has the routes, the types on the wire and the binding of parameters, generated from the
// contract. This package implements its StrictServerInterface. A request passes, in this order: the CORS
// headers, the first check of admission control, the body limit, the request ID and the access log, the
// recovery from panics, authentication and validation against the contract, the limits of the language
// model, the generated binding, admission control, and the handler.
//
// The call of a tool (tools.go) is a request that this package makes to itself. It enters after the body limit.
//
// A handler only converts and calls. All errors end in fail in problem.go, except for the rejections of
// the first check in admission.go.
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
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/server/internal/contract"
	"example.com/pagila-api/store"
)

// maxBody is the size of the largest request body, in bytes. The contract's bodies are well below 1 KiB.
const maxBody = 1 << 20

// Store is what the handlers need of the database. The errors are those of package store. The server releases the pages
// that it gets.
type Store interface {
	Films(ctx context.Context, q store.FilmQuery) (store.Page[store.Film], error)
	Film(ctx context.Context, id int32) (store.FilmDetail, error)
	FilmFacts(ctx context.Context, id int32) (store.FilmFacts, error)
	Copies(ctx context.Context, filmID int32) ([]store.Copy, error)
	Categories(ctx context.Context) ([]store.Category, error)
	Languages(ctx context.Context) ([]store.Language, error)
	Shops(ctx context.Context) ([]store.Shop, error)
	Actors(ctx context.Context, q store.ActorQuery) (store.ActorPage, error)
	Actor(ctx context.Context, id int32) (store.ActorDetail, error)
	UpdateFilm(ctx context.Context, id int32, versions []string, u store.FilmUpdate) (store.FilmDetail, error)
	CreateRental(ctx context.Context, n store.NewRental) (store.Rental, error)
	ReturnRental(ctx context.Context, customerID, id int32) (store.Rental, error)
	Rental(ctx context.Context, customerID, id int32) (store.Rental, error)
	Rentals(ctx context.Context, q store.RentalQuery) (store.Page[store.Rental], error)
	CustomerRentals(ctx context.Context, q store.RentalQuery) (store.Page[store.Rental], error)
	Customers(ctx context.Context, q store.CustomerQuery) (store.Page[store.Customer], error)
	Customer(ctx context.Context, id int32) (store.CustomerDetail, error)
	CustomerPayments(ctx context.Context, customerID int32, p store.Paging) (store.Page[store.Payment], error)
	CreateSubscription(ctx context.Context, n store.NewSubscription) (store.Subscription, error)
	CancelSubscription(ctx context.Context, customerID, id int32) (store.Subscription, error)
	Subscription(ctx context.Context, customerID, id int32) (store.Subscription, error)
	CustomerSubscriptions(ctx context.Context, customerID int32) ([]store.Subscription, error)
	Status(ctx context.Context) (store.Status, error)
}

// Model is what the handlers need of the language model. The errors are those of package llm.
type Model interface {
	Info() llm.Info
	Ask(ctx context.Context, q llm.Question, o llm.Observer) (llm.Result, error)
	Handoff(ctx context.Context, q llm.Question) (llm.Handoff, error)
	Summarize(ctx context.Context, f llm.Film) (llm.Summary, llm.Result, error)
}

// Credentials protect the operations that require a token.
type Credentials struct {
	Token    string // the bearer token with all scopes, named API_TOKEN in the log
	Username string // POST /token exchanges the user name and the password for the token
	Password string
}

// Deps are the dependencies of the server. Limits, TrustedProxies and Origins are optional. Without a Store,
// the operations that need one are rejected until [Server.Ready] is called.
type Deps struct {
	Contract    *openapi3.T
	Store       Store
	Model       Model
	Credentials Credentials
	Limits      Limits
	// TrustedProxies are the addresses or networks (192.0.2.0/24) of the proxies whose X-Forwarded-For
	// is trusted. Without them, the client is the peer of the connection.
	TrustedProxies []string
	// Origins are the origins (https://app.example.com) whose pages may use the API in a browser, or *
	// for any. Without them, only pages of the server's own origin may.
	Origins []string
	// Replicas says that the store reads from replicas. Clients then get a cookie with which they read their own
	// writes.
	Replicas bool
	Logger   *slog.Logger
	// LogSkip is the share of requests, from 0 to 1, whose lines are left out of the log, at random. Requests that
	// fail or take a second are always logged.
	LogSkip float64
	// Observer is told about requests. Without one, nothing is measured.
	Observer Observer
	// TracerProvider makes the spans of requests, to which package store and the language model add theirs. Without
	// one, requests have no spans, and are still a part of their caller's trace in the log.
	TracerProvider trace.TracerProvider
	// Propagator reads the caller's place in a trace. Without one, the header traceparent says it (W3C Trace Context).
	Propagator propagation.TextMapPropagator
}

// Server is the API as an http.Handler.
type Server struct {
	deps       Deps
	handler    http.Handler
	engine     http.Handler // the part of handler that the calls of tools use, too
	operations map[endpoint]*operation
	tools      tools
	readers    []llm.Tool // those that the language model may call
	plans      []gen.Plan
	mcp        http.Handler
	origins    []string // as browsers send them
	observer   Observer
	tracer     trace.Tracer // nil: requests are not traced
	admission  *admission
	limiter    *limiter
	scopes     []string // of the contract
	accepted   atomic.Pointer[acceptedTokens]
	bookmarks  *bookmarks // nil without replicas
	proxies    proxies
	startup    startup
	draining   atomic.Bool
	docs       docs
	shop       shop
}

var _ gen.StrictServerInterface = (*Server)(nil)

// New returns a server. It fails if a dependency is invalid.
func New(deps Deps) (*Server, error) {
	deps.Limits.WriteTimeout = cmp.Or(deps.Limits.WriteTimeout, defaultWriteTimeout)
	deps.Limits.KeepAlive = cmp.Or(deps.Limits.KeepAlive, defaultKeepAlive)
	deps.Limits.HeadDelay = cmp.Or(deps.Limits.HeadDelay, defaultHeadDelay)
	s := &Server{deps: deps, operations: newOperations(deps.Contract), observer: deps.Observer}
	if s.observer == nil {
		s.observer = unobserved{}
	}
	if deps.Replicas {
		s.bookmarks = newBookmarks(deps.Credentials.Token)
	}
	if deps.TracerProvider != nil {
		s.tracer = deps.TracerProvider.Tracer(scope)
	}
	s.admission = newAdmission(deps.Limits.InFlight, s.operations, deps.Logger)
	s.startup.done.Store(deps.Store != nil)
	s.scopes = Scopes(deps.Contract)
	s.SetTokens(nil)
	s.Starting("its database is not ready yet")
	if err := s.prepare(); err != nil {
		return nil, err
	}
	return s, nil
}

// prepare builds what may fail.
func (s *Server) prepare() (err error) {
	deps := s.deps
	if s.limiter, err = newLimiter(deps.Limits); err != nil {
		return fmt.Errorf("set up the limits: %w", err)
	}
	if s.proxies, err = newProxies(deps.TrustedProxies); err != nil {
		return fmt.Errorf("trusted proxies: %w", err)
	}
	if s.docs, err = newDocs(deps.Contract); err != nil {
		return fmt.Errorf("prepare the documentation: %w", err)
	}
	if s.shop, err = newShop(deps.Contract); err != nil {
		return fmt.Errorf("prepare the shop page: %w", err)
	}
	if s.tools, err = newTools(s.operations, contract.Operations(deps.Contract)); err != nil {
		return fmt.Errorf("tools: %w", err)
	}
	s.readers = s.tools.readers()
	if s.plans, err = newPlans(deps.Contract); err != nil {
		return fmt.Errorf("plans: %w", err)
	}
	if s.origins, err = parseOrigins(deps.Origins); err != nil {
		return fmt.Errorf("origins: %w", err)
	}
	if s.mcp, err = s.newMCP(); err != nil {
		return fmt.Errorf("MCP: %w", err)
	}
	s.engine = s.newEngine()
	// net/http has to see that a body is too large, so that it closes the connection and does not read
	// the rest of the body as the next request. Gin's writer would hide it, so this is outside of Gin.
	s.handler = s.admitFirst(limitBody(s.closeWhileDraining(s.engine)))
	if len(s.origins) > 0 {
		// Outermost, because a page can read no response without these headers, not even a rejection.
		s.handler = dropRepeatedOrigin(newCORS(s.origins, deps.Contract).Handler(s.handler))
	}
	return nil
}

// limitBody limits the body of a request. One without a body is passed on as it is, because http.MaxBytesHandler copies
// each request.
func limitBody(next http.Handler) http.Handler {
	limited := http.MaxBytesHandler(next, maxBody)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		limited.ServeHTTP(w, r)
	})
}

// process handles a request: it identifies, checks and limits it, runs the handler, and logs the outcome.
func (s *Server) process(c *gin.Context) {
	call := s.identify(c)
	defer func(w gin.ResponseWriter) { // deferred, since an aborted response ends in a panic
		s.finish(call, cmp.Or(call.status, w.Status()), max(w.Size(), 0))
	}(c.Writer)
	defer s.recoverPanic(c, call)
	if s.isPreflight(c.Request) {
		c.AbortWithStatus(http.StatusNoContent)
		return
	}
	if call.operation.revalidated {
		c.Writer.Header()["Cache-Control"] = noCache
	}
	if err := s.check(c, call); err != nil {
		s.fail(c, call, err)
		return
	}
	s.limit(c, call)
}

// newEngine returns the Gin engine with the middleware and all routes.
func (s *Server) newEngine() *gin.Engine {
	contract.RegisterFormats()
	gin.SetMode(gin.ReleaseMode) // in its debug mode Gin prints each route
	engine := gin.New()
	// The contract has one path for each resource, so there are no redirects.
	engine.RedirectTrailingSlash = false
	engine.RedirectFixedPath = false
	engine.HandleMethodNotAllowed = true
	// Handlers get the request's context. Gin's behaves like it for code that is given Gin's by mistake.
	engine.ContextWithFallback = true
	engine.ForwardedByClientIP = false // Gin trusts more headers than the type proxies does
	engine.NoRoute(func(c *gin.Context) { s.onError(c, errNoRoute) })
	engine.NoMethod(func(c *gin.Context) { s.onError(c, errNoMethod) })
	engine.Use(s.process)

	around := []gen.StrictMiddlewareFunc{s.admit}
	if s.bookmarks != nil {
		around = append(around, s.follow)
	}
	gen.RegisterHandlersWithOptions(engine,
		gen.NewStrictHandlerWithOptions(s, around, gen.StrictGinServerOptions{
			RequestErrorHandlerFunc:  func(c *gin.Context, err error) { s.onError(c, errBinding) },
			HandlerErrorFunc:         s.onError,
			ResponseErrorHandlerFunc: s.onError,
		}),
		gen.GinServerOptions{
			ErrorHandler: func(c *gin.Context, err error, _ int) { s.onError(c, errBinding) },
		})
	engine.POST(mcpPath, s.serveMCP)
	for _, route := range engine.Routes() {
		if route.Method == http.MethodGet { // RFC 9110, section 9.1, requires both GET and HEAD
			engine.HEAD(route.Path, route.HandlerFunc)
		}
	}
	return engine
}

// ServeHTTP serves a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close writes what is pending to the log. It must not be called while requests are in flight.
func (s *Server) Close() { s.admission.rejected.write() }
