package server

import (
	"crypto/sha256"
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

// loginLimitError means that there were too many attempts to log in.
type loginLimitError struct{ wait time.Duration }

func (e *loginLimitError) Error() string {
	return fmt.Sprintf("too many attempts to log in: wait %s", e.wait)
}

// Limits bound the load that clients can cause. The limits of the language model apply to the operations
// for which the contract documents 429, except for POST /token, which has its own.
type Limits struct {
	InFlight     int           // concurrent requests that use the database; 0 means no limit
	PerMinute    int           // a client's burst of calls to the language model, and its calls per minute after that; 0 means no limit
	Concurrent   int           // concurrent calls to the language model; 0 means no limit
	Logins       int           // a client's burst of attempts to log in, and its attempts per minute after that; 0 means no limit
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
	// maxCounted is the number of clients or user names that are counted: the most recent ones, in about 3 MB.
	maxCounted = 1 << 14
	// loginsPerName is how many times the logins of a client all clients together may try one user name. It bounds
	// guesses from many addresses. An attacker with that many addresses can use up the attempts for a name. While that
	// lasts, the person with this name can hardly log in. A minute after it ends, everything is as before.
	loginsPerName = 5
)

// limiter counts the calls to the language model, and the attempts to log in.
type limiter struct {
	slots        chan struct{}        // nil means no limit
	clients      *rates[netip.Prefix] // calls to the language model
	loginClients *rates[netip.Prefix]
	loginNames   *rates[[sha256.Size]byte] // by the hash of the user name, which may be long
}

func newLimiter(l Limits) (*limiter, error) {
	var created limiter
	if l.Concurrent > 0 {
		created.slots = make(chan struct{}, l.Concurrent)
	}
	var errs [3]error
	created.clients, errs[0] = newRates[netip.Prefix](l.PerMinute)
	created.loginClients, errs[1] = newRates[netip.Prefix](l.Logins)
	created.loginNames, errs[2] = newRates[[sha256.Size]byte](loginsPerName * l.Logins)
	return &created, errors.Join(errs[:]...)
}

// takeLogin counts an attempt to log in. It returns an error if there were too many.
func (l *limiter) takeLogin(client netip.Addr, name string) error {
	wait := l.loginClients.take(clientNetwork(client))
	if wait == 0 { // otherwise one client could use up the attempts for a name
		wait = l.loginNames.take(sha256.Sum256([]byte(name)))
	}
	if wait > 0 {
		return &loginLimitError{wait}
	}
	return nil
}

// rates counts calls by a key, such as the client. A nil one has no limit.
type rates[K comparable] struct {
	perMinute int
	limiters  *lru.Cache[K, *rate.Limiter]
}

// newRates returns nil if the limit is 0.
func newRates[K comparable](perMinute int) (*rates[K], error) {
	if perMinute == 0 {
		return nil, nil
	}
	limiters, err := lru.New[K, *rate.Limiter](maxCounted)
	return &rates[K]{perMinute, limiters}, err
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
	if wait := s.limiter.clients.take(clientNetwork(s.proxies.client(c.Request))); wait > 0 {
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

// take counts a call. It returns how long the holder of the key has to wait before the call, or 0.
func (r *rates[K]) take(key K) time.Duration {
	if r == nil {
		return 0
	}
	calls, ok := r.limiters.Get(key)
	if !ok {
		calls = rate.NewLimiter(rate.Limit(r.perMinute)/60, r.perMinute)
		if first, found, _ := r.limiters.PeekOrAdd(key, calls); found { // a concurrent call was faster
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
