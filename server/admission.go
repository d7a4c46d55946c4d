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
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server/internal/contract"
)

// errServerBusy means that the limit of requests that use the database is reached.
var errServerBusy = errors.New("too many requests at once")

// admission limits the requests in flight that use the database. Under any load, the admitted requests
// get their response in time, and the others are rejected at once or within a second.
//
// A request is rejected in one of two places. [admission.shouldReject] comes first and costs almost nothing:
// under overload it rejects nearly all. [Server.admit] comes just before the handler. It takes a slot for
// as long as the handler needs the database, so a client that sends its body or reads its response slowly
// does not occupy one.
//
// The calls of tools for one question, or for one batch of MCP, run at the same time. Each of them waits a while
// for a slot, since they would otherwise reject each other.
type admission struct {
	slots    chan struct{} // nil means no limit
	waiting  chan struct{} // the calls of tools that wait for a slot
	patterns []pathPattern
	document [3][]byte // the problem document, around the instance and the request's ID
	rejected rejections
	pace     *rate.Limiter // of rejections
}

// Each rejection is cheap, but clients that ignore Retry-After and retry at once would together take the
// processor away from the admitted requests. So rejections beyond a certain rate are delayed, by no more
// than the second in Retry-After.
const (
	rejectionsPerSecond = 200 // a few percent of one processor
	maxDelay            = retryAfter
	// delayStep makes delayed rejections wake the process together, since waking it costs more than a
	// rejection.
	delayStep = 50 * time.Millisecond
)

const (
	// maxSlotWait is how long the call of a tool waits for a slot. Requests hold theirs for milliseconds,
	// except at the beginning of an outage, so a call that waits longer finds an overloaded server.
	maxSlotWait = 3 * time.Second
	// maxWaiting is the number of calls of tools that may wait for a slot. The default limit of concurrent
	// questions does not reach it with all their calls. A flood of calls by MCP clients does.
	maxWaiting = 1024
)

// pathPattern is the path of an operation that uses the database.
type pathPattern struct {
	method    string
	segments  []string // "" for a parameter
	operation *operation
}

func newAdmission(limit int, all map[endpoint]*operation, logger *slog.Logger) *admission {
	if limit == 0 {
		return &admission{}
	}
	a := &admission{slots: make(chan struct{}, limit), waiting: make(chan struct{}, maxWaiting)}
	a.rejected.limit, a.rejected.logger = limit, logger
	a.pace = rate.NewLimiter(rejectionsPerSecond, rejectionsPerSecond)
	for _, op := range all {
		if op.usesDatabase {
			a.patterns = append(a.patterns, newPathPattern(op))
		}
	}
	a.document = busyDocument()
	return a
}

func newPathPattern(op *operation) pathPattern {
	segments := strings.Split(strings.TrimPrefix(op.Path, "/"), "/")
	for i, segment := range segments {
		if strings.HasPrefix(segment, "{") {
			segments[i] = ""
		}
	}
	return pathPattern{op.Method, segments, op}
}

// busyDocument is the problem document of a rejection in three parts: the text before the instance, the
// text between it and the request's ID, and the rest.
func busyDocument() [3][]byte {
	const instance, id = "the instance", "the id"
	p := problemOf(errServerBusy).complete(instance, id)
	document, err := json.Marshal(p)
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	before, rest, _ := bytes.Cut(document, []byte(strconv.Quote(instance)))
	between, after, _ := bytes.Cut(rest, []byte(strconv.Quote(id)))
	return [3][]byte{before, between, after}
}

// admitFirst applies the first check of admission control before next.
func (s *Server) admitFirst(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if op := s.admission.shouldReject(r); op != nil {
			start := time.Now()
			if s.admission.reject(&drainWriter{w, s}, r) {
				s.observer.RequestBegan()
				s.observer.RequestEnded(r.Context(), op.ID, string(gen.ProblemCodeServerBusy), http.StatusServiceUnavailable, time.Since(start))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// full reports whether all slots are taken at this moment. A request that passes still has to take one in
// [Server.admit].
func (a *admission) full() bool { return a.slots != nil && len(a.slots) == cap(a.slots) }

// shouldReject returns the operation of a request that is rejected before anything else is done with it, or nil.
func (a *admission) shouldReject(r *http.Request) *operation {
	if !a.full() {
		return nil
	}
	for _, p := range a.patterns {
		if p.method == contract.Method(r) && p.matches(r.URL.Path) {
			if p.operation.resumes(r) {
				return nil
			}
			return p.operation
		}
	}
	return nil
}

func (p pathPattern) matches(path string) bool {
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

// The values of a rejection's headers. No code changes the values of a header in place.
var (
	problemMediaType = []string{"application/problem+json"}
	rejectionWait    = []string{strconv.Itoa(int(retryAfter.Seconds()))}
)

// reject sends the response that [Server.fail] would send for errServerBusy, unless a slot has become free
// by then. It reports whether it rejected the request. A rejection has no line of its own in the log,
// since writing one would cost more than everything else.
func (a *admission) reject(w http.ResponseWriter, r *http.Request) bool {
	connected := a.delay(r.Context())
	if connected && !a.full() {
		return false
	}
	a.rejected.add()
	if !connected {
		panic(http.ErrAbortHandler) // the client has disconnected
	}
	id, header := newIdentity(r, callerOf(r, nil)), w.Header()
	id.writeTo(header)
	header["Content-Type"] = problemMediaType
	header["Retry-After"] = rejectionWait
	w.WriteHeader(http.StatusServiceUnavailable)
	document := make([]byte, 0, 512)
	document = append(document, a.document[0]...)
	document = strconv.AppendQuote(document, truncatedPath(r.URL)) // an escaped path contains nothing that JSON escapes
	document = append(document, a.document[1]...)
	document = strconv.AppendQuote(document, id.request)
	document = append(document, a.document[2]...)
	_, _ = w.Write(document) //nolint:gosec // all of it is quoted; a client that has disconnected misses nothing
	return true
}

// delay waits as long as a rejection has to be delayed. It reports whether the client is still connected.
func (a *admission) delay(client context.Context) bool {
	reservation := a.pace.Reserve()
	delay := reservation.Delay()
	if delay == 0 {
		return true
	}
	if delay > maxDelay {
		reservation.Cancel()
		delay = maxDelay
	}
	timer := time.NewTimer(time.Until(time.Now().Add(delay).Truncate(delayStep)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-client.Done():
		return false
	}
}

// admit gives an operation that uses the database a slot while its handler runs, or until the handler
// calls [call.doneWithDatabase].
func (s *Server) admit(handle gen.StrictHandlerFunc, _ string) gen.StrictHandlerFunc {
	return func(c *gin.Context, request any) (any, error) {
		call := callOf(c.Request.Context())
		if s.admission.slots == nil || !call.operation.usesDatabase {
			return handle(c, request)
		}
		if err := s.admission.take(call); err != nil {
			return nil, err
		}
		call.slots = s.admission.slots
		defer call.doneWithDatabase()
		return handle(c, request)
	}
}

// take takes a slot for a request.
func (a *admission) take(call *call) error {
	select {
	case a.slots <- struct{}{}:
		return nil
	default:
	}
	if call.tool != nil {
		select {
		case a.waiting <- struct{}{}:
			defer func() { <-a.waiting }()
			return a.wait(call.request.Context())
		default:
		}
	}
	a.rejected.add()
	return errServerBusy
}

// wait waits for a slot and takes it.
func (a *admission) wait(caller context.Context) error {
	timer := time.NewTimer(maxSlotWait)
	defer timer.Stop()
	select {
	case a.slots <- struct{}{}:
		return nil
	case <-caller.Done():
		return errClientGone
	case <-timer.C:
		a.rejected.add()
		return errServerBusy
	}
}

// rejectionsEvery is how often the number of rejections is written to the log.
const rejectionsEvery = time.Second

// rejections counts rejected requests and writes their number to the log.
type rejections struct {
	limit  int
	logger *slog.Logger
	count  atomic.Int64 // since the last line in the log
}

func (r *rejections) add() {
	if r.count.Add(1) == 1 {
		time.AfterFunc(rejectionsEvery, r.write)
	}
}

// write logs the number of rejections since the last line, if there were any.
func (r *rejections) write() {
	if n := r.count.Swap(0); n > 0 {
		r.logger.Warn("requests were rejected: the limit of requests in flight was reached", "rejected", n, "max_in_flight", r.limit)
	}
}
