package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
)

// upstream is a server that speaks OpenAI's chat completions: it streams "Hello there." to a
// question, and replies to a summary with whatever reply says. It keeps the requests.
type upstream struct {
	*httptest.Server
	requests chan upstreamRequest
}

type upstreamRequest struct {
	path, authorization string
	body                string
}

func startUpstream(t *testing.T, reply string) *upstream {
	t.Helper()
	u := &upstream{requests: make(chan upstreamRequest, 10)}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		u.requests <- upstreamRequest{r.URL.Path, r.Header.Get("Authorization"), string(body)}
		if strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "text/event-stream")
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

func withUpstream(t *testing.T, u *upstream) option {
	t.Helper()
	return withModel(newModel(t, loadContract(t), llm.Config{Provider: "openai", Model: "up-1", APIKey: "sk-test", BaseURL: u.URL + "/v1"}))
}

func TestAskThroughOpenAI(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, "")
	a := start(t, withUpstream(t, u))
	answer := a.get(t, "/ai/ask?question=Do+you+have+comedies%3F").want(t, 200)
	if string(answer.body) != "Hello there." || answer.header.Get("X-AI-Provider") != "openai" || answer.header.Get("X-AI-Model") != "up-1" {
		t.Errorf("got %q with %v", answer.body, answer.header)
	}
	// The films that are said to be the answer's sources are those that the model was given.
	r := <-u.requests
	sources := strings.Split(answer.header.Get("X-AI-Sources"), ", ")
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
		t.Errorf("the upstream was asked at %s with %q", r.path, r.authorization)
	}
	if !strings.Contains(r.body, "Do you have comedies?") || strings.Count(r.body, "Comedy") < 8 {
		t.Errorf("the prompt has not the question and eight comedies: %s", r.body)
	}
}

// What is no question about a film's facts is the model's.
func TestHandOffThroughOpenAI(t *testing.T) {
	t.Parallel()
	u := startUpstream(t, "")
	a := start(t, withUpstream(t, u))
	answer := a.call(t, http.MethodPost, "/ai/handoff", `{"question": "Which of your comedies would cheer up a sad robot?"}`).want(t, 200)
	got := decode[gen.Answer](t, answer)
	if got.Agent != "model" || got.Answer != "Hello there." || len(got.Sources) == 0 {
		t.Errorf("got %+v", got)
	}
	if answer.header.Get("X-AI-Model") != "up-1" || !strings.HasPrefix(answer.header.Get("X-AI-Prompt"), "ask@") {
		t.Errorf("the headers are %v", answer.header)
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
			answer := a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`)
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
				answer.wantProblem(t, tt.want, "llm_unverified")
				return
			}
			summary := decode[gen.FilmSummary](t, answer.want(t, 200))
			if summary.Title != title || string(summary.Rating) != rating || summary.Recommended != recommended {
				t.Errorf("got %+v", summary)
			}
			if h := answer.header; h.Get("X-AI-Provider") != "openai" || h.Get("X-AI-Model") != "up-1" || !strings.HasPrefix(h.Get("X-AI-Prompt"), "summary@") {
				t.Errorf("the headers are %v", h)
			}
		})
	}
}
