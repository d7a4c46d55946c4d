// Package client calls the Pagila API from Go.
//
// A client is made once and used from any number of goroutines:
//
//	api, err := client.New("http://localhost:8080", client.WithToken("dvd_admin"))
//	if err != nil {
//		return err
//	}
//	for film, err := range api.ListAllFilms(ctx, client.ListFilmsParams{Category: new("Comedy")}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(film.Title)
//	}
//
// Each operation of the contract is a method with its name, which returns what the operation promises:
//
//	rental, err := api.CreateRental(ctx, 1, client.RentalRequest{InventoryID: 1, StaffID: 1})
//	if problem, ok := errors.AsType[*client.ProblemError](err); ok && problem.Code == client.ProblemCodeInventoryNotAvailable {
//		return fmt.Errorf("the copy is out: %w", err)
//	} else if err != nil {
//		return err
//	}
//	fmt.Println(rental.DueDate)
//
// Every error is an [APIError]. GET and HEAD are tried again when the network or the server fails; a POST
// is sent once.
//
// [API.ListAllFilms] reads all pages of the catalogue. [API.AskQuestion] and [API.AskQuestionEvents] read
// the language model's answer as it is written.
package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What a client does unless an option says otherwise.
const (
	// DefaultTimeout is a little more than the 120 s that a server gives its language model, so
	// that its own answer arrives first.
	DefaultTimeout = 130 * time.Second
	// DefaultIdleTimeout is for a stream. A server that sends nothing for so long is gone.
	DefaultIdleTimeout = time.Minute
	// DefaultRetries carries a call over a server's restart.
	DefaultRetries = 2
	// DefaultBackoff is long enough for a busy server to recover, and too short for a person to
	// mind.
	DefaultBackoff = 200 * time.Millisecond
)

// API is the Pagila API of one server. It is safe for concurrent use.
type API struct {
	doer *doer
}

// New returns a client for the server at an http or https URL, which may have a path. It makes no
// connection. It fails when the URL or an option cannot be used.
func New(server string, options ...Option) (*API, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("the server's URL: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("the server's URL is %q; it must look like https://example.com", u.Redacted())
	}
	u.RawQuery, u.Fragment = "", ""
	d := &doer{
		client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
		server:      strings.TrimSuffix(u.String(), "/"),
		timeout:     DefaultTimeout,
		idleTimeout: DefaultIdleTimeout,
		retries:     DefaultRetries,
		backoff:     DefaultBackoff,
	}
	for _, option := range options {
		option(d)
	}
	if d.timeout < 0 || d.idleTimeout < 0 || d.backoff <= 0 || d.retries < 0 {
		return nil, errors.New("time-outs and retries must not be negative, and the back-off must be positive")
	}
	if strings.ContainsFunc(d.token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, errors.New("the token contains a character that is not allowed: a space, a control character or one beyond ASCII")
	}
	return &API{d}, nil
}

// Option changes what [New] returns.
type Option func(*doer)

// WithToken sends a bearer token (RFC 6750) with each call. An empty token is not sent.
// [API.CreateToken] gives one for a name and a password.
func WithToken(token string) Option { return func(d *doer) { d.token = token } }

// WithTimeout limits each attempt: until its body is read, or until a stream's head has come. The
// default is [DefaultTimeout]; 0 is no limit. An attempt that timed out is not repeated. A context
// with a deadline limits a call as a whole, with its retries and the pauses between them.
func WithTimeout(limit time.Duration) Option { return func(d *doer) { d.timeout = limit } }

// WithIdleTimeout limits how long a stream may be silent after its head. The default is
// [DefaultIdleTimeout]; 0 is no limit.
func WithIdleTimeout(limit time.Duration) Option { return func(d *doer) { d.idleTimeout = limit } }

// WithRetries says how often GET and HEAD are tried again after a network error, 429, 502, 503 or
// 504, and about how long the first pause is, which doubles each time. The defaults are
// [DefaultRetries] and [DefaultBackoff]. With 0 every call is made once.
func WithRetries(retries int, backoff time.Duration) Option {
	return func(d *doer) { d.retries, d.backoff = retries, backoff }
}

// WithTransport sends the requests through the given transport, for a proxy, certificates or tracing.
// The default is [http.DefaultTransport].
func WithTransport(transport http.RoundTripper) Option {
	return func(d *doer) { d.client.Transport = transport }
}
