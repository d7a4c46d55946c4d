// Package client calls the Pagila API from Go.
//
// Create a client once. It can be used from any number of goroutines:
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
// Each operation of the contract is a method with its name, which returns the operation's result:
//
//	rental, err := api.CreateRental(ctx, 1, client.RentalRequest{InventoryID: 1, StaffID: 1})
//	if problem, ok := errors.AsType[*client.ProblemError](err); ok && problem.Code == client.ProblemCodeInventoryNotAvailable {
//		return fmt.Errorf("the copy is out: %w", err)
//	} else if err != nil {
//		return err
//	}
//	fmt.Println(rental.DueDate)
//
// Every error of a call is an [APIError]. GET and HEAD are retried after a network error, 429, 502, 503 or
// 504. POST is never retried.
//
// [API.ListAllFilms] reads all pages of the catalogue. [API.AskQuestion] and [API.AskQuestionEvents]
// stream the language model's answer.
package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The defaults of the options.
const (
	// DefaultTimeout is a little longer than the 120 s that the server allows its language model, so
	// that the server's own error arrives first.
	DefaultTimeout = 130 * time.Second
	// DefaultIdleTimeout is for a stream. A server that is silent for longer is considered gone.
	DefaultIdleTimeout = time.Minute
	// DefaultRetries lets a call survive a restart of the server.
	DefaultRetries = 2
	// DefaultBackoff is long enough for a busy server to recover, and too short to be noticed.
	DefaultBackoff = 200 * time.Millisecond
)

// API is the Pagila API of one server. It is safe for concurrent use.
type API struct {
	doer *doer
}

// New returns a client for the server at an http or https URL, which may have a path. It makes no
// connection. It returns an error if the URL or an option is invalid.
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

// WithTimeout limits each attempt: until the body is read, or for a stream until the headers arrive. The
// default is [DefaultTimeout], and 0 means no limit. An attempt that timed out is not retried. A context
// with a deadline limits the entire call, including its retries and the pauses between them.
func WithTimeout(limit time.Duration) Option { return func(d *doer) { d.timeout = limit } }

// WithIdleTimeout limits how long a stream may be silent after its headers. The default is
// [DefaultIdleTimeout], and 0 means no limit.
func WithIdleTimeout(limit time.Duration) Option { return func(d *doer) { d.idleTimeout = limit } }

// WithRetries sets how often GET and HEAD are retried after a network error, 429, 502, 503 or 504, and
// about how long the first pause is, which doubles each time. The defaults are [DefaultRetries] and
// [DefaultBackoff]. With 0 nothing is retried.
func WithRetries(retries int, backoff time.Duration) Option {
	return func(d *doer) { d.retries, d.backoff = retries, backoff }
}

// WithTransport sends the requests through the given transport, for a proxy, certificates or tracing.
// The default is [http.DefaultTransport].
func WithTransport(transport http.RoundTripper) Option {
	return func(d *doer) { d.client.Transport = transport }
}
