package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm/upstream"
)

// modelServer is a server that implements OpenAI's chat completions: it streams "Hello there." for a question,
// and sends the given reply for a summary. It records the requests.
type modelServer struct {
	*httptest.Server
	requests chan upstreamRequest
}

type upstreamRequest struct {
	path, authorization string
	body                string
}

func startUpstream(t *testing.T, reply string) *modelServer {
	t.Helper()
	u := &modelServer{requests: make(chan upstreamRequest, 10)}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		u.requests <- upstreamRequest{r.URL.Path, r.Header.Get("Authorization"), string(body)}
		if strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "text/event-stream")
			if !strings.Contains(string(body), `"role":"tool"`) {
				fmt.Fprint(w, `data: {"model":"up-1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function",`+
					`"function":{"name":"listFilms","arguments":"{\"category\":[\"Comedy\"],\"page_size\":8}"}}]}}]}`+"\n\n"+
					`data: {"model":"up-1","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`+"\n\ndata: [DONE]\n\n")
				return
			}
			for _, delta := range []string{`"Hello "`, `"there."`} {
				fmt.Fprintf(w, `data: {"model":"up-1","choices":[{"index":0,"delta":{"content":%s}}]}`+"\n\n", delta)
			}
			fmt.Fprint(w, `data: {"model":"up-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
			return
		}
		content, err := json.Marshal(reply)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"model":"up-1","choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}`, content)
	}))
	t.Cleanup(u.Close)
	return u
}

func withUpstream(t *testing.T, u *modelServer) option {
	t.Helper()
	return withModel(newModel(t, loadContract(t), upstream.Config{Provider: "openai", Model: "up-1", APIKey: "sk-test", BaseURL: u.URL + "/v1"}))
}

func TestAskThroughOpenAI(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, "")
	a := start(t, withUpstream(t, u))
	response := a.get(t, "/ai/ask?question=Do+you+have+comedies%3F").want(t, 200)
	if string(response.body) != "Hello there." || response.header.Get("X-AI-Provider") != "openai" || response.header.Get("X-AI-Model") != "up-1" {
		t.Errorf("got %q with %v", response.body, response.header)
	}
	// The sources in the header are the films that the model was given.
	<-u.requests
	r := <-u.requests
	sources := strings.Split(response.header.Get("X-AI-Sources"), ", ")
	for _, id := range sources {
		title := one[string](t, a, `SELECT title FROM film WHERE film_id = ?`, id)
		if !strings.Contains(r.body, title) {
			t.Errorf("the prompt does not have %s: %s", title, r.body)
		}
	}
	if given := strings.Count(r.body, `\"film_id\":`); given != len(sources) {
		t.Errorf("the model was given %d films, the header has %q", given, sources)
	}
	if r.path != "/v1/chat/completions" || r.authorization != "Bearer sk-test" {
		t.Errorf("the upstream was called at %s with %q", r.path, r.authorization)
	}
	if !strings.Contains(r.body, "Do you have comedies?") || strings.Count(r.body, "Comedy") < 8 {
		t.Errorf("the prompt does not have the question and eight comedies: %s", r.body)
	}
}

// A question that is not about the facts of films goes to the model.
func TestHandOffThroughOpenAI(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, "")
	a := start(t, withUpstream(t, u))
	response := a.call(t, http.MethodPost, "/ai/handoff", `{"question": "Which of your comedies would cheer up a sad robot?"}`).want(t, 200)
	got := decode[gen.Answer](t, response)
	if got.Agent != "model" || got.Answer != "Hello there." || len(got.Sources) == 0 {
		t.Errorf("got %+v", got)
	}
	if response.header.Get("X-AI-Model") != "up-1" || !strings.HasPrefix(response.header.Get("X-AI-Prompt"), "ask@") {
		t.Errorf("the headers are %v", response.header)
	}
	if r := <-u.requests; !strings.Contains(r.body, "sad robot") {
		t.Errorf("the prompt is %s", r.body)
	}
}

func TestSummaryThroughOpenAI(t *testing.T) {
	t.Parallel()
	good := `{"title": "%s", "rating": "%s", "recommended": %t}`
	a := start(t)
	title := one[string](t, a, `SELECT title FROM film WHERE film_id = 1`)
	rating := one[string](t, a, `SELECT rating::text FROM film WHERE film_id = 1`)
	recommended := one[bool](t, a, `SELECT rating > 'PG-13' AND rental_rate < 3 FROM film WHERE film_id = 1`)

	for name, tt := range map[string]struct {
		reply string
		want  int
	}{
		"good":            {fmt.Sprintf(good, title, rating, recommended), 200},
		"untrue decision": {fmt.Sprintf(good, title, rating, !recommended), 502},
		"untrue title":    {fmt.Sprintf(good, "ANOTHER FILM", rating, recommended), 502},
		"not JSON":        {"I would recommend it!", 502},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := startUpstream(t, tt.reply)
			a := start(t, withUpstream(t, u))
			response := a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`)
			var sent struct {
				ResponseFormat struct {
					Type       string
					JSONSchema struct {
						Strict bool
						Schema struct{ Required []string }
					} `json:"json_schema"`
				} `json:"response_format"`
			}
			if err := json.Unmarshal([]byte((<-u.requests).body), &sent); err != nil {
				t.Fatal(err)
			}
			format := sent.ResponseFormat
			if format.Type != "json_schema" || !format.JSONSchema.Strict || fmt.Sprint(format.JSONSchema.Schema.Required) != "[title rating recommended]" {
				t.Errorf("response_format is %+v", format)
			}
			if tt.want != 200 {
				response.wantProblem(t, tt.want, "llm_unverified")
				return
			}
			summary := decode[gen.FilmSummary](t, response.want(t, 200))
			if summary.Title != title || string(summary.Rating) != rating || summary.Recommended != recommended {
				t.Errorf("got %+v", summary)
			}
			if h := response.header; h.Get("X-AI-Provider") != "openai" || h.Get("X-AI-Model") != "up-1" || !strings.HasPrefix(h.Get("X-AI-Prompt"), "summary@") {
				t.Errorf("the headers are %v", h)
			}
		})
	}
}

// A model that the upstream does not have is a mistake in the configuration. The client learns that the model
// is not available, and the log names the model and the remedy. /readyz shows it until a call succeeds.
func TestMissingModel(t *testing.T) {
	t.Parallel()
	var there atomic.Bool
	u := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if there.Load() {
			fmt.Fprint(w, `{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}]}`)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":{"message":"model \"lama\" not found, asks Bob","type":"not_found_error"}}`)
	}))
	t.Cleanup(u.Close)
	a := start(t, withModel(newModel(t, loadContract(t), upstream.Config{Provider: "ollama", Model: "lama", OllamaHost: u.URL})))
	for _, response := range []*received{
		a.get(t, "/ai/ask?question=x"),
		a.get(t, "/ai/ask?question=x", "Accept", "text/event-stream"),
		a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`),
	} {
		response.wantProblem(t, 503, "llm_unavailable")
		if strings.Contains(string(response.body), "lama") {
			t.Errorf("the client learns too much: %s", response.body)
		}
	}
	host := strings.TrimPrefix(u.URL, "http://")
	for _, want := range []string{`model \"lama\"`, host, "ollama pull lama"} {
		if !strings.Contains(a.log.String(), want) {
			t.Errorf("the log does not have %s: %s", want, a.log)
		}
	}
	if strings.Contains(a.log.String(), "Bob") {
		t.Errorf("the log quotes the upstream: %s", a.log)
	}
	if got := decode[gen.Readiness](t, a.get(t, "/readyz").want(t, 200)).LLM; got.Problem == nil || *got.Problem != `The model server does not have the model "lama".` {
		t.Errorf("/readyz says %+v", got)
	}
	there.Store(true)
	a.get(t, "/ai/ask?question=x").want(t, 200)
	if got := decode[gen.Readiness](t, a.get(t, "/readyz").want(t, 200)).LLM; got.Problem != nil {
		t.Errorf("/readyz says %q", *got.Problem)
	}
}

// No control character that a model writes reaches a terminal.
func TestControlCharacters(t *testing.T) {
	t.Parallel()
	u := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, chunk := range []string{`\u001b]0;title\u0007`, `red \u001b[31`, `m\r`, `\nnext\u009b\u0000\tend`} {
			fmt.Fprintf(w, `data: {"choices":[{"delta":{"content":"%s"}}]}`+"\n\n", chunk)
		}
		fmt.Fprint(w, `data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":-1,"completion_tokens":2.0}}`+"\n\ndata: [DONE]\n\n")
	}))
	t.Cleanup(u.Close)
	a := start(t, withModel(newModel(t, loadContract(t), upstream.Config{Provider: "openai", BaseURL: u.URL})))
	const want = "]0;titlered [31m\nnext\tend"
	if got := a.get(t, "/ai/ask?question=x").want(t, 200); string(got.body) != want {
		t.Errorf("got %q, want %q", got.body, want)
	}
	var text strings.Builder
	events := string(a.get(t, "/ai/ask?question=x", "Accept", "text/event-stream").want(t, 200).body)
	for _, line := range strings.Split(events, "\n") {
		var data struct{ Text string }
		if raw, ok := strings.CutPrefix(line, "data: "); ok && json.Unmarshal([]byte(raw), &data) == nil {
			text.WriteString(data.Text)
		}
	}
	if text.String() != want || !strings.Contains(events, `"usage":{"completion_tokens":2,"prompt_tokens":0}`) {
		t.Errorf("got %q from %s", text.String(), events)
	}
	response := decode[gen.Answer](t, a.call(t, http.MethodPost, "/ai/handoff", `{"question": "Why are cats funny?"}`).want(t, 200))
	if response.Answer != want {
		t.Errorf("got %q", response.Answer)
	}
}
