package client_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/pagila-api/gen/client"
)

// fault is a case of the table that the tests of all three SDKs read. The first lines of the table explain the
// members.
type fault struct {
	Name      string          `json:"name"`
	Call      string          `json:"call"`
	Timeout   json.RawMessage `json:"timeout"`
	Idle      json.RawMessage `json:"idle_timeout"`
	Retries   int             `json:"retries"`
	Token     string          `json:"token"`
	Responses []faultResponse `json:"responses"`
	Requests  *int            `json:"requests"`
	Sent      []string        `json:"sent"`
	NotSent   []string        `json:"not_sent"`
	Want      struct {
		Kind          string  `json:"kind"`
		Cause         string  `json:"cause"`
		Text          *string `json:"text"`
		Status        int     `json:"status"`
		Code          string  `json:"code"`
		RequestID     *string `json:"request_id"`
		Body          *string `json:"body"`
		Length        *int    `json:"length"`
		Location      *string `json:"location"`
		RetryAfter    *int    `json:"retry_after"`
		RetryAfterMin int     `json:"retry_after_min"`
		Rental        int32   `json:"rental"`
		Subscription  int32   `json:"subscription"`
	} `json:"want"`
}

type faultResponse struct {
	Delay float64           `json:"delay"`
	Head  []string          `json:"head"`
	Body  []json.RawMessage `json:"body"`
	Split int               `json:"split"`
	End   string            `json:"end"`
}

func TestFaults(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../testdata/faults.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct{ Cases []fault }
	if err := json.Unmarshal(document, &table); err != nil {
		t.Fatal(err)
	}
	for _, f := range table.Cases {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			for name, call := range faultCalls(f.Call) {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					f.run(t, call)
				})
			}
		})
	}
}

func (f fault) run(t *testing.T, call func(context.Context, *client.API) (string, error)) {
	t.Helper()
	other := startFaultServer(t, nil, "")
	server := startFaultServer(t, f.Responses, other.url)
	options, ok := f.options(t)
	if !ok {
		t.Skip("a time.Duration cannot have this value")
	}
	a, err := client.New(server.url, options...)
	if f.Want.Kind == "rejected" || err != nil {
		if err == nil || f.Want.Kind != "rejected" {
			t.Errorf("New returns %v, want %s", err, f.Want.Kind)
		}
		return
	}
	text, err := call(t.Context(), a)
	f.check(t, strings.NewReplacer("{origin}", server.url, "{other}", other.url), text, err)
	requests := server.received()
	if f.Requests != nil && len(requests) != *f.Requests {
		t.Errorf("%d requests, want %d", len(requests), *f.Requests)
	}
	for _, request := range requests {
		if f.Call != "films" && request != requests[0] {
			t.Errorf("a retry sends %q, the first request is %q", request, requests[0])
		}
	}
	for _, part := range f.Sent {
		if !strings.Contains(requests[0], part) {
			t.Errorf("the request has no %q: %s", part, requests[0])
		}
	}
	for _, part := range f.NotSent {
		if strings.Contains(requests[0], part) {
			t.Errorf("the request has %q: %s", part, requests[0])
		}
	}
	if leaked := other.received(); len(leaked) > 0 {
		t.Errorf("the other server received %q", leaked)
	}
}

func (f fault) options(t *testing.T) ([]client.Option, bool) {
	t.Helper()
	options := []client.Option{client.WithRetries(f.Retries), client.WithBackoff(time.Millisecond), client.WithToken(f.Token)}
	for _, limit := range []struct {
		option func(time.Duration) client.Option
		value  json.RawMessage
	}{{client.WithTimeout, f.Timeout}, {client.WithIdleTimeout, f.Idle}} {
		switch string(limit.value) {
		case "":
		case `"infinity"`:
			options = append(options, limit.option(math.MaxInt64))
		case `"-infinity"`:
			options = append(options, limit.option(math.MinInt64))
		case `"nan"`:
			return nil, false
		default:
			var n float64
			if err := json.Unmarshal(limit.value, &n); err != nil {
				t.Fatal(err)
			}
			options = append(options, limit.option(seconds(n)))
		}
	}
	return options, true
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// faultCalls returns the ways to make a call: two for a stream, one for every other operation. Each returns the
// text of a success, or the text that arrived before the error.
func faultCalls(name string) map[string]func(context.Context, *client.API) (string, error) {
	calls := map[string]map[string]func(context.Context, *client.API) (string, error){
		"film": {"": func(ctx context.Context, a *client.API) (string, error) {
			film, err := a.GetFilm(ctx, 1)
			if err != nil {
				return "", err
			}
			return film.Title, nil
		}},
		"films": {"": func(ctx context.Context, a *client.API) (string, error) {
			var titles []string
			for film, err := range a.ListAllFilms(ctx, client.ListFilmsParams{}) {
				if err != nil {
					return "", err
				}
				titles = append(titles, film.Title)
			}
			return strings.Join(titles, ","), nil
		}},
		"token": {"": func(ctx context.Context, a *client.API) (string, error) {
			token, err := a.CreateToken(ctx, "so me", "a&b")
			if err != nil {
				return "", err
			}
			return token.AccessToken, nil
		}},
		"ask": {
			"as text": func(ctx context.Context, a *client.API) (string, error) {
				var text string
				for chunk, err := range a.AskQuestion(ctx, "x") {
					if err != nil {
						return text, err
					}
					text += chunk
				}
				return text, nil
			},
			"as events": func(ctx context.Context, a *client.API) (string, error) {
				var text string
				for event, err := range a.AskQuestionEvents(ctx, "x") {
					if err != nil {
						return text, err
					}
					if delta, ok := event.(client.DeltaEvent); ok {
						text += delta.Text
					}
				}
				return text, nil
			},
		},
	}
	if write, ok := faultWrites[name]; ok {
		return map[string]func(context.Context, *client.API) (string, error){"": write}
	}
	return calls[name]
}

// faultWrites are the calls that change something.
var faultWrites = map[string]func(context.Context, *client.API) (string, error){
	"rent": func(ctx context.Context, a *client.API) (string, error) {
		return idOfRental(a.CreateRental(ctx, 1, client.RentalRequest{InventoryID: new(int32(1)), StaffID: 1}))
	},
	"rent_film": func(ctx context.Context, a *client.API) (string, error) {
		return idOfRental(a.CreateRental(ctx, 1, client.RentalRequest{FilmID: new(int32(1)), StoreID: new(int32(1)), StaffID: 1}))
	},
	"return": func(ctx context.Context, a *client.API) (string, error) {
		rental, err := a.ReturnRental(ctx, 1, 16050)
		if err != nil {
			return "", err
		}
		return fmt.Sprint(rental.RentalID, " ", *rental.LateFee), nil
	},
	"subscribe": func(ctx context.Context, a *client.API) (string, error) {
		return idOfSubscription(a.CreateSubscription(ctx, 1, client.SubscriptionRequest{
			PlanName: client.PlanNameStandard, StartDate: new("2026-11-26"), EndDate: new("2027-11-25"),
		}))
	},
	"subscribe_now": func(ctx context.Context, a *client.API) (string, error) {
		return idOfSubscription(a.CreateSubscription(ctx, 1, client.SubscriptionRequest{PlanName: client.PlanNameStandard}))
	},
	"cancel": func(ctx context.Context, a *client.API) (string, error) {
		return idOfSubscription(a.CancelSubscription(ctx, 1, 7))
	},
	"update": func(ctx context.Context, a *client.API) (string, error) {
		film, err := a.UpdateFilm(ctx, 1, client.FilmUpdate{StreamingAvailable: true}, client.UpdateFilmParams{IfMatch: new(`"5f0c"`)})
		if err != nil {
			return "", err
		}
		return film.Title, nil
	},
}

func idOfRental(rental *client.Rental, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return strconv.Itoa(int(rental.RentalID)), nil
}

func idOfSubscription(subscription *client.Subscription, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return strconv.Itoa(int(subscription.SubscriptionID)), nil
}

// kindOf returns the table's word for an error.
func kindOf(err error) string {
	if err == nil {
		return "ok"
	}
	if err == client.ErrTokenLimit { //nolint:errorlint // err is the cause itself, not an error that wraps it
		return "token_limit"
	}
	apiError, ok := errors.AsType[client.APIError](err)
	if !ok {
		return "not an APIError: " + err.Error()
	}
	switch apiError.(type) {
	case *client.ProblemError:
		return "problem"
	case *client.HTTPError:
		return "http"
	case *client.TimeoutError:
		return "timeout"
	case *client.IncompleteAnswerError:
		return "incomplete"
	case *client.NetworkError:
		return "network"
	}
	return fmt.Sprintf("%T", apiError)
}

func (f fault) check(t *testing.T, addresses *strings.Replacer, text string, err error) {
	t.Helper()
	if got := kindOf(err); got != f.Want.Kind {
		t.Errorf("got %s (%.300v), want %s", got, err, f.Want.Kind)
		return
	}
	if incomplete, ok := errors.AsType[*client.IncompleteAnswerError](err); ok {
		if got := kindOf(incomplete.Err); got != f.Want.Cause {
			t.Errorf("the cause is %s (%.300v), want %s", got, incomplete.Err, f.Want.Cause)
		}
		if incomplete.Text != text {
			t.Errorf("the error's text is %q, want %q", incomplete.Text, text)
		}
	}
	if f.Want.Text != nil && text != *f.Want.Text {
		t.Errorf("the text is %q, want %q", text, *f.Want.Text)
	}
	if problem, ok := errors.AsType[*client.ProblemError](err); ok {
		f.checkProblem(t, problem)
	}
	response, ok := errors.AsType[*client.HTTPError](err)
	if !ok {
		return
	}
	if response.Status != f.Want.Status {
		t.Errorf("the status is %d, want %d", response.Status, f.Want.Status)
	}
	if want := f.Want.RequestID; want != nil && response.RequestID != *want {
		t.Errorf("the request id is %q, want %q", response.RequestID, *want)
	}
	if want := f.Want.Body; want != nil && string(response.Body) != *want {
		t.Errorf("the body is %.100q, want %q", response.Body, *want)
	}
	if want := f.Want.Length; want != nil && len(response.Body) != *want {
		t.Errorf("the body has %d bytes, want %d", len(response.Body), *want)
	}
	if want := f.Want.Location; want != nil && response.Location != addresses.Replace(*want) {
		t.Errorf("the location is %q, want %q", response.Location, addresses.Replace(*want))
	}
	if want := f.Want.RetryAfter; want != nil && response.RetryAfter != time.Duration(*want)*time.Second {
		t.Errorf("RetryAfter is %s, want %d s", response.RetryAfter, *want)
	}
	if want := time.Duration(f.Want.RetryAfterMin) * time.Second; response.RetryAfter < want {
		t.Errorf("RetryAfter is %s, want at least %s", response.RetryAfter, want)
	}
}

func (f fault) checkProblem(t *testing.T, problem *client.ProblemError) {
	t.Helper()
	if string(problem.Code) != f.Want.Code {
		t.Errorf("the code is %q, want %q", problem.Code, f.Want.Code)
	}
	var rental, subscription int32
	if problem.Rental != nil {
		rental = problem.Rental.RentalID
	}
	if problem.Subscription != nil {
		subscription = problem.Subscription.SubscriptionID
	}
	if rental != f.Want.Rental || subscription != f.Want.Subscription {
		t.Errorf("the rental is %d and the subscription %d, want %d and %d", rental, subscription, f.Want.Rental, f.Want.Subscription)
	}
}

// faultServer sends scripted responses on a socket: one for each connection, and the last one for all further
// connections.
type faultServer struct {
	url      string
	mu       sync.Mutex
	requests []string
}

func (s *faultServer) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

func startFaultServer(t *testing.T, responses []faultResponse, other string) *faultServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &faultServer{url: "http://" + listener.Addr().String()}
	var open sync.WaitGroup
	open.Go(func() {
		for i := 0; ; i++ {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer connection.Close()
				request := readRequest(connection)
				s.mu.Lock()
				s.requests = append(s.requests, request)
				s.mu.Unlock()
				if len(responses) > 0 {
					responses[min(i, len(responses)-1)].send(connection, strings.NewReplacer("{origin}", s.url, "{other}", other))
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		open.Wait()
	})
	return s
}

// readRequest returns a request with its headers in lower case.
func readRequest(connection net.Conn) string {
	request, err := http.ReadRequest(bufio.NewReader(connection))
	if err != nil {
		return err.Error()
	}
	body, _ := io.ReadAll(request.Body)
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s HTTP/1.1\n", request.Method, request.RequestURI)
	for _, name := range slices.Sorted(maps.Keys(request.Header)) {
		fmt.Fprintf(&s, "%s: %s\n", strings.ToLower(name), request.Header.Get(name))
	}
	s.Write(body)
	return s.String()
}

// send sends a response. Errors are ignored, because the client may leave early.
func (r faultResponse) send(connection net.Conn, addresses *strings.Replacer) {
	chunked := false
	<-time.After(seconds(r.Delay))
	if len(r.Head) > 0 {
		head := strings.Join(r.Head, "\r\n") + "\r\n"
		if r.End == "" {
			head += "Connection: close\r\n"
		}
		chunked = strings.Contains(head, "Transfer-Encoding: chunked")
		addresses.WriteString(connection, head+"\r\n")
	}
	var chunks [][]byte
	var delays []time.Duration
	for _, document := range r.Body {
		chunk, delay := decodeChunk(document)
		chunks, delays = append(chunks, chunk), append(delays, delay)
	}
	if r.Split > 0 {
		body := bytes.Join(chunks, nil)
		chunks, delays = nil, nil
		for len(body) > 0 {
			n := min(r.Split, len(body))
			chunks, body = append(chunks, body[:n]), body[n:]
		}
	}
	for i, chunk := range chunks {
		if len(delays) > 0 && delays[i] > 0 {
			<-time.After(delays[i])
			continue
		}
		if chunked {
			chunk = fmt.Appendf(nil, "%x\r\n%s\r\n", len(chunk), chunk)
		}
		connection.Write(chunk)
	}
	switch r.End {
	case "":
		if chunked {
			io.WriteString(connection, "0\r\n\r\n")
		}
	case "reset":
		connection.(*net.TCPConn).SetLinger(0)
	case "drip":
		for err := error(nil); err == nil; <-time.After(20 * time.Millisecond) {
			_, err = io.WriteString(connection, " ")
		}
	case "silent":
		io.Copy(io.Discard, connection) // until the client closes it
	}
}

// decodeChunk returns a chunk of the body, or how long the server is silent instead.
func decodeChunk(document json.RawMessage) ([]byte, time.Duration) {
	var chunk struct {
		Hex    string
		Repeat string
		Times  int
		Delay  float64
	}
	var text string
	if json.Unmarshal(document, &text) == nil {
		return []byte(text), 0
	}
	if err := json.Unmarshal(document, &chunk); err != nil {
		panic(err)
	}
	if chunk.Times > 0 {
		return bytes.Repeat([]byte(chunk.Repeat), chunk.Times), 0
	}
	decoded, err := hex.DecodeString(chunk.Hex)
	if err != nil {
		panic(err)
	}
	return decoded, seconds(chunk.Delay)
}
