package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/time/rate"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/server/internal/contract"
	"example.com/pagila-api/store"
)

// ClientOf returns the address of a request's client behind these proxies.
func ClientOf(trusted []string, r *http.Request) (netip.Addr, error) {
	proxies, err := newProxies(trusted)
	if err != nil {
		return netip.Addr{}, err
	}
	return proxies.client(r), nil
}

// InFlight returns the number of requests that use the database.
func InFlight(s *Server) int { return len(s.admission.slots) }

// Fill takes all slots of admission control.
func Fill(s *Server) {
	for len(s.admission.slots) < cap(s.admission.slots) {
		s.admission.slots <- struct{}{}
	}
}

// Free releases the slots that Fill has taken.
func Free(s *Server) {
	for range cap(s.admission.slots) {
		<-s.admission.slots
	}
}

// Routes returns the methods and the paths of the server, as the contract writes them. HEAD is left out, as GET includes it.
func Routes(s *Server) []string {
	var all []string
	for _, route := range s.newEngine().Routes() {
		if route.Method == http.MethodHead {
			continue
		}
		segments := strings.Split(route.Path, "/")
		for i, segment := range segments {
			if name, parameter := strings.CutPrefix(segment, ":"); parameter {
				segments[i] = "{" + name + "}"
			}
		}
		all = append(all, route.Method+" "+strings.Join(segments, "/"))
	}
	return all
}

// Unpace stops the server from delaying rejections.
func Unpace(s *Server) { s.admission.pace.SetLimit(rate.Inf) }

// NewRejections returns functions that count a rejection and that log the count.
func NewRejections(logger *slog.Logger) (add, write func()) {
	r := &rejections{limit: 7, logger: logger}
	return r.add, r.write
}

// ModelTools returns the tools of the language model, for a request that holds a slot of admission control.
func ModelTools(s *Server, r *http.Request) llm.Tools {
	caller := &call{request: r, id: newIdentity(r, callerOf(r, nil)), operation: noOperation}
	if slots := s.admission.slots; slots != nil {
		slots <- struct{}{}
		caller.slots = slots
	}
	return s.modelTools(withCall(r.Context(), caller))
}

// ProblemOf returns the problem of an error.
func ProblemOf(err error) gen.Problem { return problemOf(err).Problem }

// Cut cuts a result.
func Cut(result []byte, longest int) ([]byte, error) { return cut(result, longest) }

// MaxModelResult is the size at which a result for the language model is cut.
const MaxModelResult = maxModelResult

// KnownProblems returns the problem of each kind of error. The IDs are those of the contract's examples.
func KnownProblems() []gen.Problem {
	errs := []error{
		errMissingToken, errInvalidToken, errNoRoute, errNoMethod, errOrigin, &noToolError{}, contract.ErrMediaType, contract.ErrContentCoding, errFilmNotRated, errModelBusy, errServerBusy,
		errors.New("a fault"), &rateLimitError{}, &loginLimitError{}, &scopeError{[]string{"rentals:write"}}, &http.MaxBytesError{Limit: maxBody},
		&contract.InvalidError{}, asOAuthError(&contract.InvalidError{}), errUnsupportedGrant, errWrongCredentials, errShuttingDown,
		store.ErrInventoryNotAvailable, store.ErrCustomerInactive, store.ErrStaffInactive,
		&store.RefusedError{}, &store.UnknownReferenceError{},
		&store.NotFoundError{Kind: store.KindFilm, ID: 5000}, &store.NotFoundError{Kind: store.KindActor, ID: 5000},
		&store.NotFoundError{Kind: store.KindCustomer, ID: 5000}, &store.NotFoundError{Kind: store.KindRental, ID: 99999},
		&store.NotFoundError{Kind: store.KindSubscription, ID: 99999},
		&store.AlreadyRentedError{}, &store.AlreadyReturnedError{}, &store.AlreadySubscribedError{}, &store.AlreadyCancelledError{},
		&store.InvalidDatesError{}, store.ErrFilmChanged, errUnconditional,
	}
	for _, reason := range []store.Reason{store.Away, store.Busy, store.ReadOnly, store.NotSetUp} {
		for _, outcome := range []store.Outcome{store.NoWrite, store.NothingWritten, store.Unknown} {
			errs = append(errs, &store.UnavailableError{Reason: reason, Outcome: outcome})
		}
	}
	for _, kind := range []llm.Kind{llm.KindAuth, llm.KindTimeout, llm.KindFiltered, llm.KindBadResponse, llm.KindUnverified} {
		errs = append(errs, &llm.Error{Kind: kind})
	}
	known := make([]gen.Problem, len(errs))
	for i, err := range errs {
		known[i] = problemOf(err).complete("", "")
	}
	return known
}

// ProblemDocument returns the problem document of an error.
func ProblemDocument(err error, r *http.Request) []byte {
	return problemOf(err).document(&call{request: r, id: identity{request: "0123456789abcdef"}})
}

// WithCall returns the context of a request, and a function that lets other requests use the memory of its response.
func WithCall(ctx context.Context) (request context.Context, recycle func()) {
	c := &call{request: &http.Request{URL: &url.URL{}}}
	return withCall(ctx, c), func() { c.recycle() }
}

// FilmItems converts a page for the response to a request.
func FilmItems(ctx context.Context, page *store.Page[store.Film]) []gen.Film {
	return filmItems.of(ctx, page)
}
