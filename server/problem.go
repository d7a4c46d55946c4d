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
	"time"

	"github.com/gin-gonic/gin"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/store"
)

var (
	errNoRoute      = errors.New("no such path")
	errNoMethod     = errors.New("no such method")
	errMediaType    = errors.New("unsupported media type")
	errEncoded      = errors.New("unsupported content coding")
	errFilmNotRated = errors.New("the film has no rating")
	// errClientGone says that the client has left, or does not read what it asked for.
	errClientGone = errors.New("the client is gone")
	// errBinding stands for the errors of the generated binding, which speak of Go's types. The
	// validator comes before it and leaves it nothing to find.
	errBinding = errors.New("a value does not have the type that the contract says")
)

// retryAfter is how long a client should leave a part of ours alone that is away.
const retryAfter = time.Second

// maxInputErrors is how many places of a request a problem names, as the contract has it.
const maxInputErrors = 100

// invalidRequestError says that a request does not follow the contract: in which places, or in
// one sentence.
type invalidRequestError struct {
	inputs []gen.InputError
	err    error
	found  error // what kin-openapi found in these places, if it did
}

func (e *invalidRequestError) Error() string {
	if e.err != nil {
		return "invalid request: " + e.err.Error()
	}
	return fmt.Sprintf("invalid request: %d places", len(e.inputs))
}

// problem is an error as the client gets it: RFC 9457's document, and the headers that belong to
// it.
type problem struct {
	gen.Problem
	retryAfter time.Duration
	header     [2]string // the name and value of a header that belongs to it
	hidden     bool      // the cause is for the log alone, though it is no fault
	announced  bool      // it is no fault, though a 5xx: a limit or a state that an operator has chosen
}

// fail answers with what err means to the client. It is the only exit for errors. A fault of ours
// or of a service behind us goes to the log; the client is told no more than its request id.
func (s *Server) fail(c *gin.Context, err error) {
	c.Abort()
	if errors.Is(err, errClientGone) || errors.Is(err, context.Canceled) && c.Request.Context().Err() != nil {
		c.Set(keyStatus, statusClientGone)
		panic(http.ErrAbortHandler) // the client has disconnected
	}
	if operationOf(c).id == createToken {
		err = oauthRefusal(err)
	}
	p := problemOf(err)
	level := slog.LevelError
	if p.Status < http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	if p.hidden || p.Status >= http.StatusInternalServerError && !p.announced {
		s.deps.Logger.LogAttrs(c.Request.Context(), level, "request failed",
			slog.String("request_id", c.GetString(keyRequestID)),
			slog.String("operation", operationOf(c).id),
			slog.String("code", string(p.Code)),
			slog.String("error", err.Error()),
		)
	}
	if c.Writer.Written() {
		// The status is out, so only the connection can still say that the answer is not whole.
		c.Set(keyStatus, int(p.Status))
		panic(http.ErrAbortHandler)
	}
	header := c.Writer.Header()
	if name, value := p.header[0], p.header[1]; name != "" {
		header.Set(name, value)
	}
	if p.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	c.Data(int(p.Status), "application/problem+json", p.document(c))
}

// document completes the problem with what belongs to this request.
func (p problem) document(c *gin.Context) []byte {
	document, err := json.Marshal(p.complete(shownPath(c.Request.URL), c.GetString(keyRequestID)))
	if err != nil {
		panic(err) // a struct of texts and numbers
	}
	return document
}

// complete is the problem of one request.
func (p problem) complete(instance, requestID string) gen.Problem {
	p.Type = "about:blank"
	p.Title = http.StatusText(int(p.Status))
	p.Instance = instance
	p.RequestID = requestID
	return p.Problem
}

// problemOf is the one place that knows which status an error has.
func problemOf(err error) problem {
	var (
		invalid    *invalidRequestError
		tooLarge   *http.MaxBytesError
		oauth      *oauthError
		notFound   *store.NotFoundError
		unknown    *store.UnknownReferenceError
		refused    *store.RefusedError
		noDatabase *store.UnavailableError
		notReady   *notReadyError
		model      *llm.Error
		tooOften   *rateLimitError
	)
	switch {
	case errors.As(err, &tooLarge):
		return describe(http.StatusRequestEntityTooLarge, gen.ProblemCodeBodyTooLarge,
			fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit))
	case errors.Is(err, errMissingToken):
		p := describe(http.StatusUnauthorized, gen.ProblemCodeMissingToken, "This call needs a bearer token.")
		p.header = [2]string{"WWW-Authenticate", `Bearer realm="pagila"`}
		return p
	case errors.Is(err, errInvalidToken):
		p := describe(http.StatusUnauthorized, gen.ProblemCodeInvalidToken, "This is not the right bearer token.")
		p.header = [2]string{"WWW-Authenticate", `Bearer realm="pagila", error="invalid_token"`}
		return p
	case errors.As(err, &oauth):
		p := describe(http.StatusBadRequest, gen.ProblemCodeInvalidCredentials, oauth.description)
		if oauth.cause != nil {
			p = problemOf(oauth.cause)
		}
		p.Error = &oauth.code
		return p
	case errors.As(err, &invalid):
		p := describe(http.StatusBadRequest, gen.ProblemCodeInvalidRequest, "The request does not follow the contract.")
		p.Errors = invalid.inputs[:min(len(invalid.inputs), maxInputErrors)]
		if invalid.err != nil {
			p.Errors = []gen.InputError{{Detail: invalid.err.Error()}}
		}
		return p
	case errors.Is(err, errNoRoute):
		return describe(http.StatusNotFound, gen.ProblemCodeNotFound, "There is nothing at this path.")
	case errors.Is(err, errNoMethod):
		return describe(http.StatusMethodNotAllowed, gen.ProblemCodeMethodNotAllowed, "This path has other methods, see Allow.")
	case errors.Is(err, errMediaType):
		return describe(http.StatusUnsupportedMediaType, gen.ProblemCodeUnsupportedMediaType, "This call does not take a body of that media type.")
	case errors.Is(err, errEncoded):
		p := describe(http.StatusUnsupportedMediaType, gen.ProblemCodeUnsupportedMediaType, "The body is compressed. This server takes only bodies that are not.")
		p.header = [2]string{"Accept-Encoding", "identity"}
		return p

	case errors.As(err, &notFound):
		return describe(http.StatusNotFound, notFoundCode(notFound.Kind), fmt.Sprintf("There is no %s %d.", notFound.Kind, notFound.ID))
	case errors.As(err, &unknown):
		p := describe(http.StatusUnprocessableEntity, gen.ProblemCodeUnknownReference, "The body names something that does not exist.")
		for _, r := range unknown.References {
			p.Errors = append(p.Errors, gen.InputError{
				Pointer: new("#/" + r.Kind.String() + "_id"),
				Detail:  fmt.Sprintf("there is no %s %d", r.Kind, r.ID),
			})
		}
		return p
	case errors.Is(err, store.ErrInventoryNotAvailable):
		return describe(http.StatusConflict, gen.ProblemCodeInventoryNotAvailable, "The copy is out.")
	case errors.Is(err, store.ErrCustomerInactive):
		return describe(http.StatusConflict, gen.ProblemCodeCustomerInactive, "The customer is not active.")
	case errors.Is(err, errFilmNotRated):
		return describe(http.StatusUnprocessableEntity, gen.ProblemCodeFilmNotRated, "The film has no rating, so there is no summary of it.")
	case errors.Is(err, store.ErrStaffInactive):
		return describe(http.StatusConflict, gen.ProblemCodeStaffInactive, "The member of staff is not active.")
	case errors.As(err, &refused):
		p := describe(http.StatusConflict, gen.ProblemCodeRefusedByDatabase, "A rule of the database refuses this. Nothing was written.")
		p.hidden = true
		return p
	case errors.As(err, &noDatabase):
		return databaseProblem(noDatabase)
	case errors.As(err, &notReady):
		p := describe(http.StatusServiceUnavailable, gen.ProblemCodeNotReady, notReady.detail)
		p.retryAfter = retryAfter
		p.announced = notReady.announced
		return p

	case errors.As(err, &tooOften):
		p := describe(http.StatusTooManyRequests, gen.ProblemCodeRateLimited, "You ask the language model too often.")
		p.retryAfter = tooOften.wait
		return p
	case errors.Is(err, errBusy):
		p := describe(http.StatusServiceUnavailable, gen.ProblemCodeLLMBusy, "The language model is busy with other clients.")
		p.retryAfter = retryAfter
		p.announced = true
		return p
	case errors.Is(err, errServerBusy):
		p := describe(http.StatusServiceUnavailable, gen.ProblemCodeServerBusy, "The server is busy with other requests. Nothing was done.")
		p.retryAfter = retryAfter
		p.announced = true
		return p
	case errors.As(err, &model):
		return modelProblem(model)
	default:
		return describe(http.StatusInternalServerError, gen.ProblemCodeInternalError, "The server has failed. Its log says why.")
	}
}

// databaseProblem is what an unavailable database means to the client. For a write it says what has
// become of it.
func databaseProblem(err *store.UnavailableError) problem {
	var p problem
	switch {
	case err.Outcome == store.Unknown:
		p = describe(http.StatusServiceUnavailable, gen.ProblemCodeOutcomeUnknown,
			"The connection to the database was lost while it wrote. The change may have been written, or not: find out before you try again.")
	case err.Reason == store.Busy:
		p = describe(http.StatusServiceUnavailable, gen.ProblemCodeDatabaseBusy, "The database is busy: others hold what this call needs.")
	case err.Reason == store.ReadOnly:
		p = describe(http.StatusServiceUnavailable, gen.ProblemCodeDatabaseUnavailable, "The database takes no writes at the moment.")
	case err.Reason == store.NotSetUp:
		p = describe(http.StatusServiceUnavailable, gen.ProblemCodeNotReady, "The database is not set up for this call. GET /readyz says what is missing.")
	default:
		p = describe(http.StatusServiceUnavailable, gen.ProblemCodeDatabaseUnavailable, "The database cannot be used at the moment.")
	}
	if err.Outcome == store.NothingWritten {
		p.Detail += " Nothing was written."
	}
	p.retryAfter = retryAfter
	return p
}

// notFoundCode returns the code for a missing row. Kinds without a code of their own share the generic one.
func notFoundCode(kind store.Kind) gen.ProblemCode {
	switch kind {
	case store.KindFilm:
		return gen.ProblemCodeFilmNotFound
	case store.KindCustomer:
		return gen.ProblemCodeCustomerNotFound
	case store.KindRental:
		return gen.ProblemCodeRentalNotFound
	case store.KindInventory, store.KindStaff: // only request bodies name them: see UnknownReferenceError
	}
	return gen.ProblemCodeNotFound
}

func describe(status int32, code gen.ProblemCode, detail string) problem {
	return problem{Problem: gen.Problem{Status: status, Code: code, Detail: detail}}
}
