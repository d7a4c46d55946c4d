package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/gin-gonic/gin"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// errBusy says that the limit of concurrent calls of the language model is reached.
var errBusy = errors.New("too many calls of the language model at once")

// rateLimitError says that a client calls the language model too often.
type rateLimitError struct{ wait time.Duration }

func (e *rateLimitError) Error() string {
	return fmt.Sprintf("too many calls of the language model by this client: wait %s", e.wait)
}

// Limits bound what clients may ask of the server. Those of the language model apply to the
// operations that the contract gives a 429.
type Limits struct {
	InFlight     int           // requests at once that use the database; 0: no limit
	PerMinute    int           // calls of the language model by one client at once, and as many more each minute; 0: no limit
	Concurrent   int           // calls of the language model by all clients at once; 0: no limit
	WriteTimeout time.Duration // how long a client may take to accept a piece of a stream; 0: 10 s
	KeepAlive    time.Duration // the longest silence in a stream of events; 0: 15 s
	// HeadHold is how long a stream of events waits for the first text of its answer before its head is
	// sent; 0: 5 s. A model that fails within it has its true status. One that fails later, perhaps
	// after a minute of thinking, is an event.
	HeadHold time.Duration
}

const (
	// defaultWriteTimeout is ample for a piece of some bytes. A client that does not read at all
	// would otherwise hold the model for ever.
	defaultWriteTimeout = 10 * time.Second
	// defaultKeepAlive is below the 30 to 60 s of silence after which proxies close a connection.
	defaultKeepAlive = 15 * time.Second
	// defaultHeadHold is longer than an upstream takes to refuse a call, and short enough for a client
	// that wants to see that something happens.
	defaultHeadHold = 5 * time.Second
	// maxClients is how many clients are counted: the most recent ones, in about 3 MB.
	maxClients = 1 << 14
)

// limiter counts the calls of the language model.
type limiter struct {
	slots     chan struct{}                           // nil: no limit
	clients   *lru.Cache[netip.Prefix, *rate.Limiter] // nil: no limit
	perMinute int
}

func newLimiter(l Limits) (*limiter, error) {
	var made limiter
	if l.Concurrent > 0 {
		made.slots = make(chan struct{}, l.Concurrent)
	}
	if l.PerMinute > 0 {
		made.perMinute = l.PerMinute
		var err error
		if made.clients, err = lru.New[netip.Prefix, *rate.Limiter](maxClients); err != nil {
			return nil, err
		}
	}
	return &made, nil
}

// limit is the middleware that refuses calls of the language model above the limits. A call counts
// by its operation alone, whatever its method and headers are: HEAD searches the catalogue as GET
// does. A request to resume an answer is exempt, since it ends here.
func (s *Server) limit(c *gin.Context) {
	op := operationOf(c)
	if !op.limited {
		return
	}
	if op.resumes(c.Request) {
		c.AbortWithStatus(http.StatusNoContent)
		return
	}
	if s.limiter.slots != nil {
		select {
		case s.limiter.slots <- struct{}{}:
			defer func() { <-s.limiter.slots }()
		default:
			s.fail(c, errBusy)
			return
		}
	}
	// Only now: a client that finds the model busy has not called it.
	if wait := s.limiter.take(s.proxies.client(c.Request)); wait > 0 {
		s.fail(c, &rateLimitError{wait})
		return
	}
	c.Next()
}

// resumes says whether a request comes from an EventSource that connects again. It would ask, and
// pay, after the end of each answer; 204 stops it (WHATWG HTML, section 9.2.5). Only a question has
// events to resume.
func (o *operation) resumes(r *http.Request) bool {
	return o.id == askQuestion && len(r.Header["Last-Event-Id"]) > 0
}

// take counts a call of a client. It returns how long the client has to wait before it may call,
// or 0 if it may now.
func (l *limiter) take(client netip.Addr) time.Duration {
	if l.clients == nil {
		return 0
	}
	key := network(client)
	calls, ok := l.clients.Get(key)
	if !ok {
		calls = rate.NewLimiter(rate.Limit(l.perMinute)/60, l.perMinute)
		if first, found, _ := l.clients.PeekOrAdd(key, calls); found { // another call was faster
			calls = first
		}
	}
	reservation := calls.Reserve()
	wait := reservation.Delay()
	if wait > 0 {
		reservation.Cancel() // a refused call does not count
	}
	return wait
}
