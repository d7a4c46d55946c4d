package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"example.com/pagila-api/gen"
)

// errServerBusy says that the limit of requests that use the database is reached.
var errServerBusy = errors.New("too many requests at once")

// admission bounds the requests in flight that use the database. Under any load, the requests that are
// admitted get their response in time, and the others are refused at once or within a second.
//
// A request is refused in two places. [admission.refuses] comes before everything else and costs
// next to nothing: under overload nearly all refusals are there. [Server.admit] takes the slot, just
// before the handler, for as long as the handler needs the database: a client that is slow to send its
// body or to read its response holds none.
type admission struct {
	slots    chan struct{} // nil: no limit
	paths    []storedPath
	document [3][]byte // the problem document, around the instance and the request's id
	refused  refusals
	pace     *rate.Limiter // of refusals
}

// Clients that try again at once, whatever Retry-After says, would take the processor from the requests
// that are admitted: each refusal is cheap, but there is no end to them. So refusals beyond a pace are
// held back, at most for the second that Retry-After asks for.
const (
	refusalsPerSecond = 200 // some hundredths of a processor
	maxHold           = retryAfter
	// holdGrid has refusals that are held back wake the process together: to wake it costs more than
	// to refuse.
	holdGrid = 50 * time.Millisecond
)

// storedPath is the path of an operation that uses the database.
type storedPath struct {
	method    string
	segments  []string // "" for a parameter
	operation *operation
}

func newAdmission(limit int, all operations, logger *slog.Logger) *admission {
	if limit == 0 {
		return &admission{}
	}
	a := &admission{slots: make(chan struct{}, limit), refused: refusals{limit: limit, logger: logger}}
	a.pace = rate.NewLimiter(refusalsPerSecond, refusalsPerSecond)
	for at, op := range all {
		if !op.stored {
			continue
		}
		segments := strings.Split(strings.TrimPrefix(at.path, "/"), "/")
		for i, segment := range segments {
			if strings.HasPrefix(segment, ":") {
				segments[i] = ""
			}
		}
		a.paths = append(a.paths, storedPath{at.method, segments, op})
	}
	a.document = busyDocument()
	return a
}

// busyDocument is the problem document of a refusal in three pieces: what comes before the instance,
// between it and the request's id, and after that.
func busyDocument() [3][]byte {
	const instance, id = "the instance", "the id"
	p := problemOf(errServerBusy).complete(instance, id)
	document, err := json.Marshal(p)
	if err != nil {
		panic(err) // a struct of texts and numbers
	}
	before, rest, _ := bytes.Cut(document, []byte(strconv.Quote(instance)))
	between, after, _ := bytes.Cut(rest, []byte(strconv.Quote(id)))
	return [3][]byte{before, between, after}
}

// admitFirst is the first look of admission control, before next.
func (s *Server) admitFirst(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.admission.refuses(r) && s.admission.refuse(&drainWriter{w, s}, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// full says whether all slots are taken at this moment. A request that is let through still has to take
// one in [Server.admit].
func (a *admission) full() bool { return a.slots != nil && len(a.slots) == cap(a.slots) }

// refuses tells whether to refuse a request before anything else is done with it.
func (a *admission) refuses(r *http.Request) bool {
	if !a.full() {
		return false
	}
	for _, p := range a.paths {
		if p.method == method(r) && p.matches(r.URL.Path) {
			return !p.operation.resumes(r)
		}
	}
	return false
}

func (p storedPath) matches(path string) bool {
	rest, more := strings.CutPrefix(path, "/")
	for _, want := range p.segments {
		if !more {
			return false
		}
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if segment == "" || want != "" && segment != want {
			return false
		}
	}
	return !more
}

// The values of a refusal's headers. No code changes a header's values in place.
var (
	problemMediaType = []string{"application/problem+json"}
	refusalWait      = []string{strconv.Itoa(int(retryAfter.Seconds()))}
)

// refuse sends the response that [Server.fail] would send for errServerBusy, unless a slot is free by the
// time that it would be sent. It says whether the request was refused. A refusal has no line of its own
// in the log, since writing that would cost more than the rest.
func (a *admission) refuse(w http.ResponseWriter, r *http.Request) bool {
	connected := a.hold(r.Context())
	if connected && !a.full() {
		return false
	}
	a.refused.add()
	if !connected {
		panic(http.ErrAbortHandler) // the client has disconnected
	}
	id, header := newIdentity(r), w.Header()
	id.writeTo(header)
	header["Content-Type"] = problemMediaType
	header["Retry-After"] = refusalWait
	w.WriteHeader(http.StatusServiceUnavailable)
	document := make([]byte, 0, 512)
	document = append(document, a.document[0]...)
	document = strconv.AppendQuote(document, shownPath(r.URL)) // an escaped path has nothing that JSON escapes
	document = append(document, a.document[1]...)
	document = strconv.AppendQuote(document, id.request)
	document = append(document, a.document[2]...)
	_, _ = w.Write(document) //nolint:gosec // all of it is quoted; a client that has left misses nothing
	return true
}

// hold waits as long as a refusal has to be held back. It says whether the client is still there.
func (a *admission) hold(client context.Context) bool {
	reservation := a.pace.Reserve()
	delay := reservation.Delay()
	if delay == 0 {
		return true
	}
	if delay > maxHold {
		reservation.Cancel()
		delay = maxHold
	}
	timer := time.NewTimer(time.Until(time.Now().Add(delay).Truncate(holdGrid)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-client.Done():
		return false
	}
}

// admit gives an operation that uses the database a slot while its handler runs, or until the handler
// calls [doneWithDatabase].
func (s *Server) admit(handle gen.StrictHandlerFunc, _ string) gen.StrictHandlerFunc {
	return func(c *gin.Context, request any) (any, error) {
		if s.admission.slots == nil || !operationOf(c).stored {
			return handle(c, request)
		}
		select {
		case s.admission.slots <- struct{}{}:
		default:
			s.admission.refused.add()
			return nil, errServerBusy
		}
		release := sync.OnceFunc(func() { <-s.admission.slots })
		defer release()
		c.Set(keyRelease, release)
		return handle(c, request)
	}
}

// doneWithDatabase gives a request's slot back before its handler returns. A handler calls it before it
// waits for the language model, which has limits of its own and may take minutes.
func doneWithDatabase(ctx context.Context) {
	if release, ok := ctx.Value(keyRelease).(func()); ok {
		release()
	}
}

// refusalsEvery is how often refusals are written to the log.
const refusalsEvery = time.Second

// refusals counts refused requests, and writes their number to the log.
type refusals struct {
	limit  int
	logger *slog.Logger
	count  atomic.Int64 // since the last line
}

func (r *refusals) add() {
	if r.count.Add(1) == 1 {
		time.AfterFunc(refusalsEvery, r.write)
	}
}

// write writes what was counted since the last line, if anything.
func (r *refusals) write() {
	if n := r.count.Swap(0); n > 0 {
		r.logger.Warn("requests were refused: the limit of requests in flight was reached", "refused", n, "max_in_flight", r.limit)
	}
}
