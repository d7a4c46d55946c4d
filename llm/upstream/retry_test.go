package upstream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/llm/upstream"
)

func TestRetry(t *testing.T) {
	t.Parallel()
	good := map[string]script{
		"openai": raw(eventHead + delta("He") + finish("stop") + done),
		"ollama": raw(eventHead + delta("He") + finish("stop") + usageEvent + done),
	}
	for _, test := range []struct {
		name string
		bad  []script
		want upstream.Kind // empty for success
		hits int
	}{
		{"one 503", []script{status(503, "", "")}, "", 2},
		{"429 and 500", []script{status(429, "", ""), status(500, "", "boom")}, "", 3},
		{"closed connection", []script{raw("")}, "", 2},
		{"three 503", []script{status(503, "", ""), status(503, "", ""), status(503, "", "")}, upstream.KindUnavailable, 3},
		{"401", []script{status(401, "", "")}, upstream.KindAuth, 1},
		{"quota", []script{status(429, "", `{"error":{"code":"insufficient_quota"}}`)}, upstream.KindQuota, 1},
		{"404", []script{status(404, "", "")}, upstream.KindRejected, 1},
		{"prompt too long", []script{status(400, "", `{"error":{"code":"context_length_exceeded"}}`)}, upstream.KindTooLong, 1},
		{"error instead of an answer", []script{raw(eventHead + event(`{"error":{"code":429,"message":"slow down"}}`))}, "", 2},
		{"broken after the head", []script{raw(eventHead)}, upstream.KindTruncated, 1},
	} {
		for provider, client := range map[string]func(*testing.T, *server) *upstream.Model{"openai": openAI, "ollama": ollama} {
			t.Run(provider+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				u := listen(t, append(test.bad[:len(test.bad):len(test.bad)], good[provider])...)
				text, _, err := ask(bounded(t), client(t, u))
				if test.want != "" {
					checkKind(t, err, test.want)
				} else if err != nil || text != "He" {
					t.Errorf("got %q, %v", text, err)
				}
				requests := u.Requests()
				if len(requests) != test.hits {
					t.Fatalf("%d requests, want %d", len(requests), test.hits)
				}
				for _, r := range requests[1:] {
					if !bytes.Equal(r.Body, requests[0].Body) {
						t.Errorf("a retry sends a different body: %s", r.Body)
					}
				}
			})
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	date := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for _, test := range []struct {
		name, header string
		timeout      time.Duration // of the call
		min, max     time.Duration // of RetryAfter
		hits         int
	}{
		{"too long to wait", "Retry-After: 3600\r\n", 2 * time.Hour, time.Hour, time.Hour, 1},
		{"a date", "Retry-After: " + date + "\r\n", 2 * time.Hour, 50 * time.Minute, time.Hour, 1},
		{"past the deadline", "Retry-After: 9\r\n", 8 * time.Second, 9 * time.Second, 9 * time.Second, 1},
		{"milliseconds", "Retry-After-Ms: 10\r\n", 0, 10 * time.Millisecond, 10 * time.Millisecond, 3},
		{"nonsense", "Retry-After: soon\r\n", 0, 0, 0, 3},
		{"negative", "Retry-After: -5\r\n", 0, 0, 0, 3},
	} {
		for _, provider := range []string{"openai", "ollama"} {
			t.Run(provider+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				u := listen(t, status(429, test.header, ""))
				c := newModel(t, upstream.Config{Provider: provider, BaseURL: u.URL, OllamaHost: u.URL, Timeout: test.timeout})
				_, _, err := ask(t.Context(), c) // without a deadline of the test, which would also prevent a wait
				e := checkKind(t, err, upstream.KindRateLimited)
				if e.RetryAfter < test.min || e.RetryAfter > test.max {
					t.Errorf("RetryAfter is %s, want %s to %s", e.RetryAfter, test.min, test.max)
				}
				if hits := len(u.Requests()); hits != test.hits {
					t.Errorf("%d requests, want %d", hits, test.hits)
				}
			})
		}
	}
}

// No request is sent before the time that the upstream asks to wait. It refuses a client that retries
// earlier.
func TestEarlyRetryRefused(t *testing.T) {
	t.Parallel()
	var ready time.Time
	u := listen(t,
		func(conn net.Conn) {
			ready = time.Now().Add(time.Second)
			status(503, "Retry-After: 1\r\n", "")(conn)
		},
		func(conn net.Conn) {
			if time.Now().Before(ready) {
				status(401, "", "")(conn)
				return
			}
			raw(eventHead + delta("He") + finish("stop") + done)(conn)
		})
	text, _, err := ask(bounded(t), openAI(t, u))
	if err != nil || text != "He" {
		t.Errorf("got %q, %v", text, err)
	}
}

// If an upstream refuses a schema, it is asked for JSON mode, and if it refuses that too, only the prompt
// asks for JSON.
func TestReplyFormat(t *testing.T) {
	t.Parallel()
	const good = `{"title":"ALIEN CENTER","rating":"NC-17","recommended":true}`
	answer := status(200, "", completion(good, "stop"))
	openAIBad := status(400, "", `{"error":{"message":"'response_format' of type 'x' is not supported"}}`)
	ollamaBad := status(500, "", `{"error":{"message":"invalid format: expected \"json\" or a JSON schema","type":"api_error","param":null,"code":null}}`)
	for _, test := range []struct {
		name    string
		client  func(*testing.T, *server) *upstream.Model
		scripts []script
		field   string
		formats []string // the beginning of the field in each request, or empty without the field
	}{
		{"openai, schema", openAI, []script{answer}, "response_format", []string{`{"type":"json_schema"`, `{"type":"json_schema"`}},
		{"openai, object", openAI, []script{openAIBad, answer}, "response_format", []string{`{"type":"json_schema"`, `{"type":"json_object"}`, `{"type":"json_object"}`}},
		{"openai, prompt", openAI, []script{openAIBad, openAIBad, answer}, "response_format", []string{`{"type":"json_schema"`, `{"type":"json_object"}`, ``, ``}},
		{"ollama, schema", ollama, []script{answer}, "response_format", []string{`{"type":"json_schema"`, `{"type":"json_schema"`}},
		{"ollama, object", ollama, []script{ollamaBad, answer}, "response_format", []string{`{"type":"json_schema"`, `{"type":"json_object"`, `{"type":"json_object"`}},
		{"ollama, prompt", ollama, []script{ollamaBad, ollamaBad, answer}, "response_format", []string{`{"type":"json_schema"`, `{"type":"json_object"`, ``, ``}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := listen(t, test.scripts...)
			c := test.client(t, u)
			for range 2 { // the second call shows what the first one has learned
				if _, err := reply(bounded(t), c); err != nil {
					t.Fatal(err)
				}
			}
			requests := u.Requests()
			if len(requests) != len(test.formats) {
				t.Fatalf("%d requests, want %d", len(requests), len(test.formats))
			}
			for i, r := range requests {
				var fields map[string]json.RawMessage
				if err := json.Unmarshal(r.Body, &fields); err != nil {
					t.Fatal(err)
				}
				got := string(fields[test.field])
				if !strings.HasPrefix(got, test.formats[i]) || (got == "") != (test.formats[i] == "") {
					t.Errorf("request %d has the format %s, want %s", i+1, got, test.formats[i])
				}
			}
		})
	}
}

// Many calls can find out at the same time that the schema is refused.
func TestFormatsInParallel(t *testing.T) {
	t.Parallel()
	const good = `{"title":"ALIEN CENTER","rating":"NC-17","recommended":true}`
	c := newModel(t, upstream.Config{Provider: "openai", BaseURL: "http://upstream.test", HTTPClient: &http.Client{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			var body struct {
				ResponseFormat struct{ Type string } `json:"response_format"`
			}
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				return nil, err
			}
			if body.ResponseFormat.Type != "json_object" {
				return response(400, `{"error":{"message":"response_format: `+body.ResponseFormat.Type+`"}}`), nil
			}
			return response(200, completion(good, "stop")), nil
		}),
	}})
	failures := make(chan error)
	for range 50 {
		go func() {
			_, err := reply(bounded(t), c)
			failures <- err
		}()
	}
	for range 50 {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
}

// Retries and weaker requests are logged, without the key.
func TestLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	u := listen(t,
		status(503, "", fmt.Sprintf(`{"error":{"message":"about %s"}}`, key)),
		status(400, "", fmt.Sprintf(`{"error":{"message":"response_format, about %s"}}`, key)),
		status(200, "", completion(`{"title":"ALIEN CENTER","rating":"NC-17","recommended":true}`, "stop")))
	c := newModel(t, upstream.Config{Provider: "openai", APIKey: key, BaseURL: u.URL, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	if _, err := reply(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "\n"); n != 2 {
		t.Errorf("%d lines are logged, want a retry and a weaker format:\n%s", n, log.String())
	}
	if strings.Contains(log.String(), key) {
		t.Errorf("the key is logged:\n%s", log.String())
	}
}
