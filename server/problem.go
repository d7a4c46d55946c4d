package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/server/internal/contract"
	"example.com/pagila-api/store"
)

var (
	errNoRoute      = errors.New("no such path")
	errNoMethod     = errors.New("no such method")
	errFilmNotRated = errors.New("the film has no rating")
	// errClientGone means that the client has disconnected, or does not read the response.
	errClientGone = errors.New("the client is gone")
	// errBinding replaces the errors of the generated binding, which mention Go's types. The validation
	// before it leaves no error for it to find.
	errBinding = contract.Invalid(contract.Place{Detail: "a value does not have the type that the contract requires"})
)

// retryAfter is how long clients should wait before they retry while a part of the server is unavailable.
const retryAfter = time.Second

// maxInputErrors is the largest number of errors in a problem, as in the contract.
const maxInputErrors = 100

// problem is an error in the form that the client receives: a document of RFC 9457, and headers.
type problem struct {
	gen.Problem
	retryAfter time.Duration
	header     [2]string // the name and the value of a header
	logCause   bool      // although the status is below 500
	expected   bool      // not a fault, although the status is 5xx: a limit or a state that an operator has chosen
}

// fail sends the response for err. Every error of a handler or of the middleware ends here. The log has
// the cause of a fault; the client gets only the request's ID.
func (s *Server) fail(c *gin.Context, call *call, err error) {
	c.Abort()
	if call.tool != nil {
		call.tool.failure = err
	}
	if errors.Is(err, errClientGone) || errors.Is(err, context.Canceled) && c.Request.Context().Err() != nil {
		call.status, call.outcome = statusClientGone, outcomeClientGone
		panic(http.ErrAbortHandler)
	}
	if call.operation.ID == createToken {
		err = asOAuthError(err)
	}
	p := problemOf(err)
	call.outcome = string(p.Code)
	if p.logged() {
		s.logFailure(call, p, err)
	}
	if c.Writer.Written() {
		// The status has been sent, so only a broken connection can tell the client that the response is
		// incomplete.
		call.status = int(p.Status)
		panic(http.ErrAbortHandler)
	}
	p.setHeaders(c.Writer.Header())
	c.Data(int(p.Status), "application/problem+json", p.document(call))
}

// onError calls fail for Gin and the generated code, which do not know the call.
func (s *Server) onError(c *gin.Context, err error) { s.fail(c, callOf(c.Request.Context()), err) }

func (p problem) logged() bool {
	return p.logCause || p.Status >= http.StatusInternalServerError && !p.expected
}

func (s *Server) logFailure(call *call, p problem, err error) {
	level := slog.LevelError
	if p.Status < http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	s.deps.Logger.LogAttrs(call.request.Context(), level, "request failed",
		slog.String("request_id", call.id.request),
		slog.String("operation", call.operation.ID),
		slog.String("code", string(p.Code)),
		slog.String("error", err.Error()),
	)
}

func (p problem) setHeaders(header http.Header) {
	if name, value := p.header[0], p.header[1]; name != "" {
		header.Set(name, value)
	}
	if p.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
}

// document is the problem document of a call.
func (p problem) document(call *call) []byte {
	document, err := json.Marshal(p.complete(truncatedPath(call.request.URL), call.id.request))
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	return document
}

// complete adds what depends on the request.
func (p problem) complete(instance, requestID string) gen.Problem {
	p.Type = "about:blank"
	p.Title = http.StatusText(int(p.Status))
	p.Instance = instance
	p.RequestID = requestID
	return p.Problem
}

// problemOf returns the problem for an error: that of the first rule that matches it.
func problemOf(err error) problem {
	for _, matches := range rules {
		if p, ok := matches(err); ok {
			return p
		}
	}
	return newProblem(http.StatusInternalServerError, gen.ProblemCodeInternalError, "The server failed. Its log has the cause.")
}

// rules map errors to problems. No other code decides which status an error has.
var rules = []rule{
	forType(func(e *http.MaxBytesError) problem {
		return newProblem(http.StatusRequestEntityTooLarge, gen.ProblemCodeBodyTooLarge, fmt.Sprintf("The body is larger than %d bytes.", e.Limit))
	}),
	forError(errMissingToken, newProblem(http.StatusUnauthorized, gen.ProblemCodeMissingToken, "This operation requires a bearer token.").
		withHeader("WWW-Authenticate", `Bearer realm="pagila"`)),
	forError(errInvalidToken, newProblem(http.StatusUnauthorized, gen.ProblemCodeInvalidToken, "The bearer token is not valid.").
		withHeader("WWW-Authenticate", `Bearer realm="pagila", error="invalid_token"`)),
	forType(scopeProblem),
	forType(oauthProblem),
	forType(invalidProblem),
	forType(invalidQueryProblem),
	forError(errNoRoute, newProblem(http.StatusNotFound, gen.ProblemCodeNotFound, "There is nothing at this path.")),
	forType(func(*noToolError) problem {
		return newProblem(http.StatusNotFound, gen.ProblemCodeNotFound, "There is no such tool.")
	}),
	forError(errOrigin, newProblem(http.StatusForbidden, gen.ProblemCodeOriginNotAllowed,
		"Pages of this origin may not use the server.")),
	forError(errNoMethod, newProblem(http.StatusMethodNotAllowed, gen.ProblemCodeMethodNotAllowed,
		"This path does not support the method. The header Allow lists the methods that it supports.")),
	forError(contract.ErrMediaType, newProblem(http.StatusUnsupportedMediaType, gen.ProblemCodeUnsupportedMediaType,
		"This operation does not accept a body of this media type.")),
	forError(contract.ErrContentCoding, newProblem(http.StatusUnsupportedMediaType, gen.ProblemCodeUnsupportedMediaType,
		"The body is compressed. Send it uncompressed.").withHeader("Accept-Encoding", "identity")),

	forType(func(e *store.NotFoundError) problem {
		return newProblem(http.StatusNotFound, notFoundCode(e.Kind), fmt.Sprintf("There is no %s %d.", e.Kind, e.ID))
	}),
	forType(unknownReferenceProblem),
	forError(store.ErrInventoryNotAvailable, newProblem(http.StatusConflict, gen.ProblemCodeInventoryNotAvailable, "The copy is rented out.")),
	forError(store.ErrFilmNotAvailable, newProblem(http.StatusConflict, gen.ProblemCodeInventoryNotAvailable, "The store has no copy of the film in stock.")),
	forType(func(e *store.AlreadyRentedError) problem {
		p := newProblem(http.StatusConflict, gen.ProblemCodeAlreadyRentedByCustomer, "The customer has rented this already.")
		p.Rental = new(rental(&e.Rental))
		return p.withHeader("Location", rentalLocation(e.Rental.RentalID))
	}),
	forType(func(e *store.AlreadyReturnedError) problem {
		p := newProblem(http.StatusConflict, gen.ProblemCodeAlreadyReturned, "The copy was returned before.")
		p.Rental = new(rental(&e.Rental))
		return p
	}),
	forType(func(e *store.AlreadySubscribedError) problem {
		p := newProblem(http.StatusConflict, gen.ProblemCodeAlreadySubscribed, "The customer has a subscription on one of these days.")
		p.Subscription = new(subscription(e.Subscription))
		return p.withHeader("Location", subscriptionLocation(e.Subscription))
	}),
	forType(func(e *store.AlreadyCancelledError) problem {
		p := newProblem(http.StatusConflict, gen.ProblemCodeAlreadyCancelled, "The subscription has ended or was cancelled before.")
		p.Subscription = new(subscription(e.Subscription))
		return p
	}),
	forType(invalidDatesProblem),
	forError(errUnconditional, newProblem(http.StatusPreconditionRequired, gen.ProblemCodePreconditionRequired,
		"Send the etag of the film, as you read it, in the header If-Match.")),
	forError(store.ErrFilmChanged, newProblem(http.StatusPreconditionFailed, gen.ProblemCodePreconditionFailed,
		"The film has changed since it was read, or the ETag is weak. Read the film again and send its new etag.")),
	forError(store.ErrCustomerInactive, newProblem(http.StatusConflict, gen.ProblemCodeCustomerInactive, "The customer is not active.")),
	forError(store.ErrStaffInactive, newProblem(http.StatusConflict, gen.ProblemCodeStaffInactive, "The member of staff is not active.")),
	forError(errFilmNotRated, newProblem(http.StatusUnprocessableEntity, gen.ProblemCodeFilmNotRated,
		"The film has no rating, so it cannot be summarized.")),
	forType(func(*store.RefusedError) problem {
		p := newProblem(http.StatusConflict, gen.ProblemCodeRefusedByDatabase, "A rule of the database does not allow this change. Nothing was written.")
		p.logCause = true
		return p
	}),
	forType(databaseProblem),
	forType(func(e *notReadyError) problem {
		p := unavailable(gen.ProblemCodeNotReady, e.detail)
		p.expected = e.expected
		return p
	}),

	forType(func(e *rateLimitError) problem {
		return rateLimited("You have sent too many requests to the language model.", e.wait)
	}),
	forType(func(e *loginLimitError) problem {
		return rateLimited("There were too many attempts to log in.", e.wait)
	}),
	forError(errModelBusy, limitReached(gen.ProblemCodeLLMBusy, "The language model is busy with the requests of other clients.")),
	forError(errServerBusy, limitReached(gen.ProblemCodeServerBusy, "The server is busy with other requests. Nothing was done.")),
	forType(modelProblem),
}

// rule returns the problem for an error, if the rule matches it.
type rule func(err error) (problem, bool)

// forError matches one error.
func forError(target error, p problem) rule {
	return func(err error) (problem, bool) { return p, errors.Is(err, target) }
}

// forType matches the errors of one type.
func forType[E error](describe func(E) problem) rule {
	return func(err error) (problem, bool) {
		e, ok := errors.AsType[E](err)
		if !ok {
			return problem{}, false
		}
		return describe(e), true
	}
}

func newProblem(status int32, code gen.ProblemCode, detail string) problem {
	return problem{Problem: gen.Problem{Status: status, Code: code, Detail: detail}}
}

func (p problem) withHeader(name, value string) problem {
	p.header = [2]string{name, value}
	return p
}

// unavailable is the problem of a part of the server that should be back soon.
func unavailable(code gen.ProblemCode, detail string) problem {
	p := newProblem(http.StatusServiceUnavailable, code, detail)
	p.retryAfter = retryAfter
	return p
}

// limitReached is the problem of a request above a limit that an operator has set.
func limitReached(code gen.ProblemCode, detail string) problem {
	p := unavailable(code, detail)
	p.expected = true
	return p
}

// rateLimited is the problem of a client that has to wait.
func rateLimited(detail string, wait time.Duration) problem {
	p := newProblem(http.StatusTooManyRequests, gen.ProblemCodeRateLimited, detail)
	p.retryAfter = wait
	return p
}

// scopeProblem is the problem of a token without a scope (RFC 6750, section 3.1).
func scopeProblem(e *scopeError) problem {
	detail := fmt.Sprintf("The token does not have the scope %s, which this operation needs.", strings.Join(e.needed, " "))
	return newProblem(http.StatusForbidden, gen.ProblemCodeInsufficientScope, detail).
		withHeader("WWW-Authenticate", fmt.Sprintf(`Bearer realm="pagila", error="insufficient_scope", scope="%s"`, strings.Join(e.needed, " ")))
}

func oauthProblem(e *oauthError) problem {
	p := newProblem(http.StatusBadRequest, gen.ProblemCodeInvalidCredentials, e.description)
	if e.cause != nil {
		p = invalidProblem(e.cause)
	}
	p.Error = &e.code
	return p
}

func invalidProblem(e *contract.InvalidError) problem {
	p := newProblem(http.StatusBadRequest, gen.ProblemCodeInvalidRequest, "The request does not follow the contract.")
	for _, place := range e.Places[:min(len(e.Places), maxInputErrors)] {
		input := gen.InputError{Detail: place.Detail}
		if place.Parameter != "" {
			input.Parameter = &place.Parameter
		}
		if place.Pointer != "" {
			input.Pointer = &place.Pointer
		}
		p.Errors = append(p.Errors, input)
	}
	return p
}

// invalidQueryProblem is the problem of parameters that are valid alone, but not together. The store names them
// as the contract does.
func invalidQueryProblem(e *store.InvalidQueryError) problem {
	var invalid contract.InvalidError
	for _, fault := range e.Faults {
		invalid.Places = append(invalid.Places, contract.Place{Parameter: fault.Field, Detail: fault.Detail})
	}
	return invalidProblem(&invalid)
}

// invalidDatesProblem is the problem of dates that a subscription cannot have.
func invalidDatesProblem(e *store.InvalidDatesError) problem {
	p := newProblem(http.StatusUnprocessableEntity, gen.ProblemCodeInvalidDates, "The subscription cannot have these dates.")
	for _, fault := range e.Faults {
		p.Errors = append(p.Errors, gen.InputError{Pointer: new("#/" + fault.Field), Detail: fault.Detail})
	}
	return p
}

// notFoundCode returns the code for a missing row. Kinds without a code of their own share the generic one.
func notFoundCode(kind store.Kind) gen.ProblemCode {
	switch kind {
	case store.KindFilm:
		return gen.ProblemCodeFilmNotFound
	case store.KindActor:
		return gen.ProblemCodeActorNotFound
	case store.KindCustomer:
		return gen.ProblemCodeCustomerNotFound
	case store.KindRental:
		return gen.ProblemCodeRentalNotFound
	case store.KindSubscription:
		return gen.ProblemCodeSubscriptionNotFound
	case store.KindInventory, store.KindStaff, store.KindStore: // only request bodies name them: see UnknownReferenceError
	}
	return gen.ProblemCodeNotFound
}

func unknownReferenceProblem(e *store.UnknownReferenceError) problem {
	p := newProblem(http.StatusUnprocessableEntity, gen.ProblemCodeUnknownReference, "The body refers to something that does not exist.")
	for _, r := range e.References {
		p.Errors = append(p.Errors, gen.InputError{
			Pointer: new("#/" + r.Kind.String() + "_id"),
			Detail:  fmt.Sprintf("there is no %s %d", noun(r.Kind), r.ID),
		})
	}
	return p
}

// noun is the word for a row of a kind.
func noun(kind store.Kind) string {
	switch kind {
	case store.KindInventory:
		return "copy"
	case store.KindStaff:
		return "member of staff"
	default:
		return kind.String()
	}
}

// databaseProblem is the problem of a database that cannot be used. After a write it says whether
// anything was written.
func databaseProblem(err *store.UnavailableError) problem {
	var p problem
	switch {
	case err.Outcome == store.Unknown:
		p = unavailable(gen.ProblemCodeOutcomeUnknown,
			"The database has not confirmed the write. The change may have been written or not. To find out, send the same request again: if it was, the response is 409, or 412 for a film.")
	case err.Reason == store.Busy:
		p = unavailable(gen.ProblemCodeDatabaseBusy, "The database is busy: another transaction holds rows that this request needs.")
	case err.Reason == store.ReadOnly:
		p = unavailable(gen.ProblemCodeDatabaseUnavailable, "The database is read-only at the moment.")
	case err.Reason == store.NotSetUp:
		p = unavailable(gen.ProblemCodeNotReady, "The database is not set up for this operation. GET /readyz says what is missing.")
	default:
		p = unavailable(gen.ProblemCodeDatabaseUnavailable, "The database is not available at the moment.")
	}
	if err.Outcome == store.NothingWritten {
		p.Detail += " Nothing was written."
	}
	return p
}

// modelProblem is the problem of a language model that gave no usable answer. A key that the upstream
// rejects, an exhausted quota and a missing model are the server's own faults and not the client's, so
// they are 503 and not 401, 429 or 404.
func modelProblem(err *llm.Error) problem {
	switch err.Kind {
	case llm.KindTimeout, llm.KindStalled:
		return newProblem(http.StatusGatewayTimeout, gen.ProblemCodeLLMTimeout, "The language model did not answer in time.")
	case llm.KindAuth, llm.KindQuota, llm.KindRateLimited, llm.KindUnreachable, llm.KindUnavailable, llm.KindNoModel:
		p := unavailable(gen.ProblemCodeLLMUnavailable, "The language model is not available at the moment.")
		p.retryAfter = max(err.RetryAfter, retryAfter)
		return p
	case llm.KindFiltered, llm.KindTooLong:
		return newProblem(http.StatusUnprocessableEntity, gen.ProblemCodeLLMRefused, "The language model refused to answer this.")
	case llm.KindUnverified:
		return newProblem(http.StatusBadGateway, gen.ProblemCodeLLMUnverified, "The language model's answer did not pass the checks.")
	default:
		return newProblem(http.StatusBadGateway, gen.ProblemCodeLLMBadResponse, "The language model gave no usable answer.")
	}
}
