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

// errModelBusy means that the limit of concurrent calls to the language model is reached.
var errModelBusy = errors.New("too many concurrent calls to the language model")

// rateLimitError means that a client calls the language model too often.
type rateLimitError struct{ wait time.Duration }

func (e *rateLimitError) Error() string {
	return fmt.Sprintf("too many calls to the language model by this client: wait %s", e.wait)
}

// Limits bound the load that clients can cause. The limits of the language model apply to the operations
// for which the contract documents 429.
type Limits struct {
	InFlight     int           // concurrent requests that use the database; 0 means no limit
	PerMinute    int           // a client's burst of calls to the language model, and its calls per minute after that; 0 means no limit
	Concurrent   int           // concurrent calls to the language model; 0 means no limit
	WriteTimeout time.Duration // how long a client may take to accept a chunk of a stream; 0 means 10 s
	KeepAlive    time.Duration // the longest silence in a stream of events; 0 means 15 s
	// HeadDelay is how long a stream of events waits for the first text of its answer before its head is
	// sent; 0 means 1 s. A model that fails within this time gets the status of its failure. A later
	// failure, perhaps after a minute of thinking, is an event.
	HeadDelay time.Duration
}

const (
	// defaultWriteTimeout is ample for a chunk of a few bytes. Without it, a client that does not read
	// would occupy the model forever.
	defaultWriteTimeout = 10 * time.Second
	// defaultKeepAlive is less than the 30 to 60 s of silence after which proxies close a connection.
	defaultKeepAlive = 15 * time.Second
	// defaultHeadDelay is longer than most upstreams take to reject a call, and short enough for people who
	// want to see that something happens.
	defaultHeadDelay = time.Second
	// maxClients is the number of clients that are counted: the most recent ones, in about 3 MB.
	maxClients = 1 << 14
)

// limiter counts the calls to the language model.
type limiter struct {
	slots     chan struct{}                           // nil means no limit
	clients   *lru.Cache[netip.Prefix, *rate.Limiter] // nil means no limit
	perMinute int
}

func newLimiter(l Limits) (*limiter, error) {
	var created limiter
	if l.Concurrent > 0 {
		created.slots = make(chan struct{}, l.Concurrent)
	}
	if l.PerMinute > 0 {
		created.perMinute = l.PerMinute
		var err error
		if created.clients, err = lru.New[netip.Prefix, *rate.Limiter](maxClients); err != nil {
			return nil, err
		}
	}
	return &created, nil
}

// limit runs the handler, or rejects a call to the language model above the limits. It counts every request of an
// operation, whatever the method and the headers: HEAD searches the catalogue like GET. A request to resume an
// answer does not count, since it ends here.
func (s *Server) limit(c *gin.Context, call *call) {
	op := call.operation
	if !op.usesModel {
		c.Next()
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
			s.fail(c, call, errModelBusy)
			return
		}
	}
	// This comes last, since a client that finds the model busy has not called it.
	if wait := s.limiter.take(s.proxies.client(c.Request)); wait > 0 {
		s.fail(c, call, &rateLimitError{wait})
		return
	}
	c.Next()
}

// resumes reports whether a request comes from an EventSource that reconnects. After the end of each
// answer it would ask the model again. The status 204 stops it (WHATWG HTML, section 9.2.5).
func (o *operation) resumes(r *http.Request) bool {
	return o.ID == askQuestion && len(r.Header["Last-Event-Id"]) > 0
}

// take counts a call by a client. It returns how long the client has to wait before the call, or 0.
func (l *limiter) take(client netip.Addr) time.Duration {
	if l.clients == nil {
		return 0
	}
	key := clientNetwork(client)
	calls, ok := l.clients.Get(key)
	if !ok {
		calls = rate.NewLimiter(rate.Limit(l.perMinute)/60, l.perMinute)
		if first, found, _ := l.clients.PeekOrAdd(key, calls); found { // a concurrent call was faster
			calls = first
		}
	}
	reservation := calls.Reserve()
	wait := reservation.Delay()
	if wait > 0 {
		reservation.Cancel() // a rejected call does not count
	}
	return wait
}
