package llm_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/shopspring/decimal"

	"example.com/pagila-api/api"
	"example.com/pagila-api/llm"
)

// upstream is a scripted server on a raw socket: httptest cannot cut a body short. Each request has
// a connection of its own.
type upstream struct {
	url string

	mu       sync.Mutex
	scripts  []script
	requests []request
}

// request is one that the upstream got.
type request struct {
	path   string
	header http.Header
	body   []byte
}

// script answers one request. The connection is closed when it returns.
type script func(conn net.Conn)

// listen starts an upstream that answers the first request by the first script and so on. The last
// script answers all further ones.
func listen(t *testing.T, scripts ...script) *upstream {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{url: "http://" + listener.Addr().String(), scripts: scripts}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed below
			}
			wg.Go(func() {
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				defer conn.Close()
				u.serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		listener.Close()
		wg.Wait()
	})
	return u
}

func (u *upstream) serve(conn net.Conn) {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return // the client has thought better of it
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	u.mu.Lock()
	s := u.scripts[min(len(u.requests), len(u.scripts)-1)]
	u.requests = append(u.requests, request{r.URL.Path, r.Header, body})
	u.mu.Unlock()
	s(conn)
}

// got returns the requests so far.
func (u *upstream) got() []request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]request(nil), u.requests...)
}

// raw answers with exactly these bytes.
func raw(bytes string) script {
	return func(conn net.Conn) { _, _ = io.WriteString(conn, bytes) }
}

// untilGone sends bytes and then waits for the client to close the connection.
func untilGone(bytes string) script {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, bytes)
		_, _ = io.Copy(io.Discard, conn)
	}
}

// status answers with a status, headers (each ending in \r\n) and a body.
func status(code int, headers, body string) script {
	return raw(fmt.Sprintf("HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s",
		code, http.StatusText(code), len(body), headers, body))
}

const (
	eventHead = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n"
	chunkHead = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	lineHead  = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\n\r\n"
	done      = "data: [DONE]\n\n"
)

// chunk is a piece of a chunked body.
func chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

func event(data string) string { return "data: " + data + "\n\n" }

// delta is an event with a piece of text.
func delta(text string) string {
	return event(fmt.Sprintf(`{"model":"m-1","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}`, quoted(text)))
}

// thought is an event with a piece of what the model thinks.
func thought(text string) string {
	return event(fmt.Sprintf(`{"model":"m-1","choices":[{"index":0,"delta":{"reasoning_content":%s},"finish_reason":null}]}`, quoted(text)))
}

// finish is the event that ends an answer.
func finish(reason string) string {
	return event(fmt.Sprintf(`{"model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":%q}]}`, reason))
}

const usageEvent = `data: {"model":"m-1","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":3}}` + "\n\n"

// line is a line of Ollama's with a piece of text.
func line(text string) string {
	return fmt.Sprintf(`{"model":"m-1","message":{"role":"assistant","content":%s},"done":false}`+"\n", quoted(text))
}

// lastLine is the line of Ollama's that ends an answer.
func lastLine(reason string) string {
	return fmt.Sprintf(`{"model":"m-1","message":{"role":"assistant","content":""},"done":true,"done_reason":%q,"prompt_eval_count":11,"eval_count":3}`+"\n", reason)
}

// completion is a whole answer of OpenAI's.
func completion(text, reason string) string {
	return fmt.Sprintf(`{"model":"m-1","choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":%q}],"usage":{"prompt_tokens":9,"completion_tokens":2}}`,
		quoted(text), reason)
}

func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string
	}
	return string(b)
}

// key is the API key of the tests.
const key = "sk-verysecret"

// openAI is a client of an OpenAI-compatible upstream.
func openAI(t *testing.T, u *upstream) *llm.Client {
	t.Helper()
	return newClient(t, llm.Config{Provider: "openai", APIKey: key, BaseURL: u.url + "/v1"})
}

// ollama is a client of Ollama.
func ollama(t *testing.T, u *upstream) *llm.Client {
	t.Helper()
	return newClient(t, llm.Config{Provider: "ollama", OllamaHost: u.url})
}

// summaryComponent is the contract's own, parsed once.
var summaryComponent = sync.OnceValues(func() (*openapi3.Schema, error) {
	contract, err := api.Load(context.Background())
	if err != nil {
		return nil, err
	}
	return contract.Components.Schemas["FilmSummary"].Value, nil
})

func newClient(t *testing.T, cfg llm.Config) *llm.Client {
	t.Helper()
	component, err := summaryComponent()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Summary = component
	client, err := llm.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// bounded is a context that ends a test which hangs.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// film is a film of the tests: rated above PG-13 and cheap, so it is recommended.
func film() llm.Film {
	return llm.Film{
		ID: 7, Title: "ALIEN CENTER", Description: "A Brilliant Drama of a Cat And a Mad Scientist", Category: "Foreign",
		Rating: "NC-17", ReleaseYear: 2006, Length: 46, Language: "English", RentalRate: decimal.NewNullDecimal(decimal.RequireFromString("2.99")),
		RentalDuration: 5, Actors: []string{"BURT DUKAKIS", "MENA TEMPLE"}, SpecialFeatures: []string{"Trailers"},
	}
}

// ask asks the client about the film of the tests and returns the text that came.
func ask(ctx context.Context, c *llm.Client) (string, llm.Result, error) {
	var text strings.Builder
	result, err := c.Ask(ctx, llm.NewQuestion("Which film is it?", []llm.Film{film()}), func(chunk string) error {
		text.WriteString(chunk)
		return nil
	})
	return text.String(), result, err
}
