// Package client calls the Pagila API from Go.
//
// A client is safe for concurrent use, so create it once:
//
//	api, err := client.New("http://localhost:8080", client.WithToken("dvd_admin"))
//	if err != nil {
//		return err
//	}
//	for film, err := range api.ListAllFilms(ctx, client.ListFilmsParams{Category: []string{"Comedy"}}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(film.Title)
//	}
//
// Each operation of the contract is a method of the same name, which returns the operation's result:
//
//	rental, err := api.CreateRental(ctx, 1, client.RentalRequest{InventoryID: new(int32(1)), StaffID: 1})
//	if problem, ok := errors.AsType[*client.ProblemError](err); ok && problem.Code == client.ProblemCodeInventoryNotAvailable {
//		return fmt.Errorf("the copy is rented out: %w", err)
//	} else if err != nil {
//		return err
//	}
//	fmt.Println(rental.DueDate)
//
// Every error of a call is an [APIError], except for that of a context that has ended and of an argument that
// cannot be sent. [WithRetries] says which calls are retried.
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
	// DefaultIdleTimeout is for streams. The server sends something at least every 15 seconds.
	DefaultIdleTimeout = time.Minute
	// DefaultRetries lets a call survive a restart of the server.
	DefaultRetries = 2
	// DefaultBackoff gives a busy server time to recover, and is too short for a person to notice.
	DefaultBackoff = 200 * time.Millisecond
)

// API is a client of one server. It is safe for concurrent use.
type API struct {
	doer *doer
}

// New returns a client for the server at an http or https URL, which may have a path. It does not connect to
// the server. It returns an error if the URL or an option is invalid.
func New(baseURL string, options ...Option) (*API, error) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("parse the base URL: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("the base URL is %q, but it must look like https://example.com", u.Redacted())
	}
	u.RawQuery, u.Fragment = "", ""
	d := &doer{
		client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
		baseURL:     strings.TrimSuffix(u.String(), "/"),
		timeout:     DefaultTimeout,
		idleTimeout: DefaultIdleTimeout,
		retries:     DefaultRetries,
		backoff:     DefaultBackoff,
	}
	for _, option := range options {
		option(d)
	}
	if d.timeout < 0 || d.idleTimeout < 0 || d.backoff <= 0 || d.retries < 0 {
		return nil, errors.New("timeouts and retries must not be negative, and the backoff must be positive")
	}
	if strings.ContainsFunc(d.token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, errors.New("the token must contain only visible ASCII characters")
	}
	return &API{d}, nil
}

// Option changes what [New] returns.
type Option func(*doer)

// WithToken sends a bearer token (RFC 6750) with each request. An empty token is not sent.
// [API.CreateToken] returns one for a username and a password.
func WithToken(token string) Option { return func(d *doer) { d.token = token } }

// WithTimeout limits each attempt: until the body has been read, or for a stream until the headers have
// arrived. The default is [DefaultTimeout], and 0 means no limit. [WithRetries] says if an attempt that timed out is
// retried. A context with a deadline limits the entire call, including its retries and the pauses between them.
func WithTimeout(limit time.Duration) Option { return func(d *doer) { d.timeout = limit } }

// WithIdleTimeout limits how long a stream may be silent after its headers. The default is
// [DefaultIdleTimeout], and 0 means no limit.
func WithIdleTimeout(limit time.Duration) Option { return func(d *doer) { d.idleTimeout = limit } }

// WithRetries sets how often GET and HEAD are retried after a network error, 429, 502, 503 or 504. The
// default is [DefaultRetries], and 0 means never.
//
// [API.CreateRental], [API.ReturnRental], [API.CreateSubscription] and [API.CancelSubscription] are retried too, and
// also after a timeout. If the server carried out the request before, they return its result. Other writes are never
// retried, nor is a read that timed out.
func WithRetries(retries int) Option { return func(d *doer) { d.retries = retries } }

// WithBackoff sets the pause before the first retry. Each further pause is twice as long, up to 5 s, and all
// are shortened at random by up to a half. The default is [DefaultBackoff].
func WithBackoff(backoff time.Duration) Option { return func(d *doer) { d.backoff = backoff } }

// WithTransport sends the requests through a transport, such as one for a proxy, certificates or tracing.
// The default is [http.DefaultTransport].
func WithTransport(transport http.RoundTripper) Option {
	return func(d *doer) { d.client.Transport = transport }
}
