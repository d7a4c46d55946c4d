package upstream_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"example.com/pagila-api/llm/upstream"
)

// Only a list of models that lacks the model is a problem.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, provider, model string
		answer                script
		missing               bool
	}{
		{"listed", "openai", "m-1", status(200, "", `{"object":"list","data":[{"id":"other"},{"id":"m-1"}]}`), false},
		{"not listed", "openai", "m-1", status(200, "", `{"object":"list","data":[{"id":"other"},{"id":"m-10"}]}`), true},
		{"in a bare list", "openai", "m-1", status(200, "", `[{"id":"m-1","type":"chat"}]`), false},
		{"Google's prefix", "openai", "m-1", status(200, "", `{"data":[{"id":"models/m-1"}]}`), false},
		{"another case", "openai", "Qwen/m-1", status(200, "", `{"data":[{"id":"qwen/M-1"}]}`), false},
		{"Ollama's latest by OpenAI's protocol", "openai", "m-1", status(200, "", `{"data":[{"id":"m-1:latest"}]}`), false},
		{"no list", "openai", "m-1", status(404, "", `{"detail":"Not Found"}`), false},
		{"a refused list", "openai", "m-1", status(401, "", `{}`), false},
		{"no JSON", "openai", "m-1", status(200, "", `<html>`), false},
		{"another object", "openai", "m-1", status(200, "", `{"ok":true}`), false},
		{"entries without a name", "openai", "m-1", status(200, "", `{"data":[{"id":"x"},{"id":7},null]}`), false},
		{"empty list", "openai", "m-1", status(200, "", `{"data":[]}`), false},
		{"Ollama, listed", "ollama", "m-1:7b", status(200, "", `{"models":[{"name":"m-1:7b","model":"m-1:7b"}]}`), false},
		{"Ollama, latest", "ollama", "m-1", status(200, "", `{"models":[{"name":"m-1:latest"}]}`), false},
		{"Ollama, another tag", "ollama", "m-1", status(200, "", `{"models":[{"name":"m-1:7b"},{"name":"other:latest"}]}`), true},
		{"Ollama, none at all", "ollama", "m-1", status(200, "", `{"models":[]}`), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			u := listen(t, test.answer)
			c := newModel(t, upstream.Config{
				Provider: test.provider, Model: test.model, APIKey: key, BaseURL: u.URL + "/v1/", OllamaHost: u.URL, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			c.Check(bounded(t))
			r := u.Requests()[0]
			if path := map[string]string{"openai": "/v1/models", "ollama": "/api/tags"}[test.provider]; r.Path != path {
				t.Errorf("the path is %s, want %s", r.Path, path)
			}
			if sent := r.Header.Get("Authorization"); (sent == "Bearer "+key) != (test.provider == "openai") {
				t.Errorf("Authorization is %q", sent)
			}
			problem := c.Problem()
			if !test.missing {
				if problem != "" || log.Len() > 0 {
					t.Errorf("the problem is %q, the log %s", problem, &log)
				}
				return
			}
			if !strings.Contains(problem, test.model) {
				t.Errorf("the problem is %q", problem)
			}
			remedy := map[string]string{"openai": "LLM_MODEL", "ollama": "ollama pull " + test.model}[test.provider]
			for _, want := range []string{"level=WARN", test.model, strings.TrimPrefix(u.URL, "http://"), remedy} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log does not have %q: %s", want, &log)
				}
			}
			if strings.Count(log.String(), "\n") != 1 || strings.Contains(log.String(), key) {
				t.Errorf("the log is %s", &log)
			}
		})
	}
}

// The check of an upstream that never responds ends.
func TestCheckIsBounded(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	u := listen(t, func(conn net.Conn) {
		close(asked)
		untilClosed("")(conn)
	})
	ctx, cancel := context.WithCancel(bounded(t))
	go func() {
		<-asked
		cancel()
	}()
	openAI(t, u).Check(ctx)
}

// Nothing but the names of models gets from a list into the log.
func TestListedNames(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	u := listen(t, status(200, "", `{"data":[{"id":"You asked: Bob\u001b[31m"},{"id":"a"},{"id":"b"},{"id":"c"},{"id":"d"},{"id":"e"},{"id":"f"}]}`))
	c := newModel(t, upstream.Config{Provider: "openai", BaseURL: u.URL, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	c.Check(bounded(t))
	if !strings.Contains(log.String(), `some="[a b c d e]"`) || strings.Contains(log.String(), "Bob") {
		t.Errorf("the log is %s", &log)
	}
}

// A call can find out that the model is missing, and a later one that it is there again.
func TestMissingModel(t *testing.T) {
	t.Parallel()
	for provider, test := range map[string]struct {
		missing []script // for each shape of the request
		good    script
		remedy  string
	}{
		"openai": {[]script{status(404, "", `{"error":{"message":"The model m-1 does not exist, Bob","code":"model_not_found"}}`)}, raw(eventHead + delta("He") + goodEnd), "LLM_MODEL"},
		"ollama": {slices.Repeat([]script{status(404, "", `{"error":{"message":"model \"m-1\" not found, Bob","type":"not_found_error","param":null,"code":null}}`)}, 5), raw(eventHead + delta("He") + goodEnd), "ollama pull m-1"},
	} {
		u := listen(t, append(test.missing, test.good)...)
		c := newModel(t, upstream.Config{Provider: provider, Model: "m-1", APIKey: key, BaseURL: u.URL, OllamaHost: u.URL})
		_, _, err := ask(bounded(t), c)
		e := checkKind(t, err, upstream.KindNoModel)
		for _, want := range []string{`"m-1"`, strings.TrimPrefix(u.URL, "http://"), test.remedy} {
			if !strings.Contains(e.Error(), want) {
				t.Errorf("%s: the error does not have %q: %v", provider, want, e)
			}
		}
		if strings.Contains(e.Error(), "Bob") {
			t.Errorf("%s: the error quotes the upstream: %v", provider, e)
		}
		if got := c.Problem(); !strings.Contains(got, "m-1") {
			t.Errorf("%s: the problem is %q", provider, got)
		}
		if _, _, err := ask(bounded(t), c); err != nil {
			t.Fatal(err)
		}
		if got := c.Problem(); got != "" {
			t.Errorf("%s: the problem is %q after a call that succeeded", provider, got)
		}
		c.Check(bounded(t)) // the model is not listed, but it has worked
		if got := c.Problem(); got != "" {
			t.Errorf("%s: the problem is %q after a list", provider, got)
		}
	}
}

// A model is not reported as missing if the list may have it under another name or on another page.
func TestListsOfModels(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, model, list string
		missing           bool
	}{
		{"prefix in the setting", "models/m-1", `{"data":[{"id":"m-1"}]}`, false},
		{"prefix on both sides", "models/m-1", `{"data":[{"id":"models/m-1"}]}`, false},
		{"date in the list", "m-4o", `{"data":[{"id":"m-4o-2024-08-06"}]}`, false},
		{"date in the setting", "m-4o-2024-08-06", `{"data":[{"id":"m-4o"}]}`, false},
		{"another date", "claude-3-5", `{"data":[{"id":"claude-3-5-20241022"}]}`, false},
		{"latest", "m-large-latest", `{"data":[{"id":"m-large-2411"}]}`, false},
		{"latest in the setting", "m-1:latest", `{"data":[{"id":"m-1"}]}`, false},
		{"suffix of a router", "a/m-1:online", `{"data":[{"id":"a/m-1"}]}`, false},
		{"free suffix of a router", "a/m-1:free", `{"data":[{"id":"a/m-1"}]}`, false},
		{"more pages", "m-1", `{"data":[{"id":"x"}],"has_more":true}`, false},
		{"next page", "m-1", `{"models":[{"name":"x"}],"nextPageToken":"abc"}`, false},
		{"next address", "m-1", `{"data":[{"id":"x"}],"next":"/models?page=2"}`, false},
		{"a name in another member", "m-1", `{"data":[{"id":"x","aliases":["m-1"]}]}`, false},
		{"names that cannot be shown", "m-1", `{"data":[{"id":"x y"},{"label":"z"}]}`, false},
		{"no more pages", "m-1", `{"data":[{"id":"x"}],"has_more":false,"next":null,"first_id":"x"}`, true},
		{"another version", "m-3.5", `{"data":[{"id":"m-4-2024-08-06"}]}`, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := listen(t, status(200, "", test.list))
			c := newModel(t, upstream.Config{Provider: "openai", Model: test.model, BaseURL: u.URL})
			c.Check(bounded(t))
			want := ""
			if test.missing {
				want = `The model server may not have the model "` + test.model + `".`
			}
			if got := c.Problem(); got != want {
				t.Errorf("the problem is %q, want %q", got, want)
			}
		})
	}
}

// An upstream that is not ready yet is asked again.
func TestCheckAgain(t *testing.T) {
	t.Parallel()
	for name, notYet := range map[string]script{"nobody there": raw(""), "starting": status(503, "", "loading")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			u := listen(t, notYet, status(200, "", `{"data":[{"id":"other"}]}`))
			c := newModel(t, upstream.Config{Provider: "openai", Model: "m-1", BaseURL: u.URL, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			c.Check(bounded(t))
			if got := c.Problem(); !strings.Contains(got, "may not have") || strings.Contains(got, "127.0.0.1") {
				t.Errorf("the problem is %q", got)
			}
			if host := strings.TrimPrefix(u.URL, "http://"); !strings.Contains(log.String(), host) {
				t.Errorf("the log does not have %s: %s", host, &log)
			}
		})
	}
	// Once a call has succeeded there is nothing to ask, so the check ends long before the last pause.
	c := newModel(t, upstream.Config{Provider: "openai", BaseURL: "http://upstream.test", HTTPClient: &http.Client{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return nil, io.ErrUnexpectedEOF
			}
			return stream(strings.NewReader(delta("He") + goodEnd)), nil
		}),
	}})
	if _, _, err := ask(bounded(t), c); err != nil {
		t.Fatal(err)
	}
	c.Check(t.Context())
}
