package upstream_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/pagila-api/llm/upstream"
)

// picky is an upstream that refuses a request with any of some members, in words that say nothing.
type picky struct {
	refused []string // members of the body, or of its options
	status  int
	answer  string // an event stream, or lines
	whole   string // for a summary
	got     []map[string]json.RawMessage
}

func (p *picky) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var fields, options map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, err
	}
	_ = json.Unmarshal(fields["options"], &options) // Ollama's alone
	for name, value := range options {
		fields["options."+name] = value
	}
	p.got = append(p.got, fields)
	for _, name := range p.refused {
		member, value, _ := strings.Cut(name, "=")
		if raw, ok := fields[member]; ok && strings.Contains(string(raw), value) {
			return response(p.status, `{"error":{"message":"Extra inputs are not permitted"}}`), nil
		}
	}
	if _, streamed := fields["stream"]; !streamed {
		return response(200, p.whole), nil
	}
	return response(200, p.answer), nil
}

// pickyClient is a client of such an upstream, and its log.
func pickyClient(t *testing.T, provider string, p *picky) (*upstream.Model, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	p.answer, p.whole = delta("He")+goodEnd, completion(goodReply, "stop")
	if provider == "ollama" {
		p.answer, p.whole = line("He")+goodLineEnd, line(goodReply)+goodLineEnd
	}
	return newModel(t, upstream.Config{
		Provider: provider, BaseURL: "http://upstream.test/v1", OllamaHost: "http://upstream.test", HTTPClient: &http.Client{Transport: p},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}), &log
}

// TestFallback has upstreams that refuse a part of a request without saying which. It is found by trying,
// and the second call knows it.
func TestFallback(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, provider string
		summary        bool
		refused        []string
		status         int
		kept           []string // members that the second call still has
	}{
		{"stream_options", "openai", false, []string{"stream_options"}, 422, []string{"temperature", "max_tokens", "stream"}},
		{"temperature", "openai", false, []string{"temperature"}, 400, []string{"stream_options", "max_tokens"}},
		{"token field", "openai", false, []string{"max_tokens"}, 400, []string{"stream_options", "max_completion_tokens", "temperature"}},
		{"two at once", "openai", false, []string{"temperature", "stream_options"}, 422, []string{"stream"}},
		{"schema", "openai", true, []string{"response_format=json_schema"}, 400, []string{"response_format", "temperature", "max_tokens"}},
		{"any format", "openai", true, []string{"response_format"}, 422, []string{"temperature", "max_tokens"}},
		{"any format, not implemented", "openai", true, []string{"response_format"}, 501, []string{"temperature", "max_tokens"}},
		{"temperature of a summary", "openai", true, []string{"temperature"}, 400, []string{"response_format", "max_tokens"}},
		{"token field of a summary", "openai", true, []string{"max_tokens"}, 422, []string{"response_format", "temperature", "max_completion_tokens"}},
		{"schema, Ollama", "ollama", true, []string{"format={"}, 400, []string{"format", "options.temperature"}},
		{"any format, Ollama", "ollama", true, []string{"format"}, 400, []string{"options.temperature", "options.num_predict"}},
		{"temperature, Ollama", "ollama", false, []string{"options.temperature"}, 400, []string{"options.num_predict", "stream"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := &picky{refused: test.refused, status: test.status}
			c, log := pickyClient(t, test.provider, p)
			call := func() error {
				if test.summary {
					return replyError(bounded(t), c)
				}
				_, _, err := ask(bounded(t), c)
				return err
			}
			if err := call(); err != nil {
				t.Fatal(err)
			}
			if tries := len(p.got); tries < 2 || tries > 7 {
				t.Errorf("%d tries", tries)
			}
			p.got = nil
			if err := call(); err != nil {
				t.Fatal(err)
			}
			if len(p.got) != 1 {
				t.Fatalf("the second call takes %d tries", len(p.got))
			}
			for _, name := range test.kept {
				if _, ok := p.got[0][name]; !ok {
					t.Errorf("%s is left out for nothing: %s", name, p.got[0])
				}
			}
			if n := strings.Count(log.String(), "level=WARN"); n != 1 {
				t.Errorf("%d warnings, want 1:\n%s", n, log)
			}
		})
	}
}

// TestRefusedForGood has upstreams that refuse every request. Nothing is learnt from that, and the
// error is the first one.
func TestRefusedForGood(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "ollama"} {
		refusal := func(i int) script {
			return status(400, "", `{"error":{"message":"no","code":"c`+strconv.Itoa(i)+`"}}`)
		}
		var refusals []script
		for i := range 100 {
			refusals = append(refusals, refusal(i))
		}
		u := listen(t, refusals...)
		var log bytes.Buffer
		c := newModel(t, upstream.Config{Provider: provider, BaseURL: u.URL, OllamaHost: u.URL, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for _, call := range []func() error{
			func() error { _, _, err := ask(bounded(t), c); return err },
			func() error { return replyError(bounded(t), c) },
		} {
			before := len(u.Requests())
			e := checkKind(t, call(), upstream.KindRejected)
			tries := u.Requests()[before:]
			if e.Code != "c"+strconv.Itoa(before) || len(tries) > 7 {
				t.Errorf("%s: the error is %v, after %d tries from %d on", provider, e, len(tries), before)
			}
			for i, r := range tries {
				if slices.ContainsFunc(tries[:i], func(other request) bool { return bytes.Equal(other.Body, r.Body) }) {
					t.Errorf("%s: the same is tried twice: %s", provider, r.Body)
				}
			}
		}
		if log.Len() > 0 {
			t.Errorf("%s: the log says %s", provider, &log)
		}
		first := len(u.Requests())
		_, _, _ = ask(bounded(t), c)
		if got := u.Requests(); !bytes.Equal(got[first].Body, got[0].Body) {
			t.Errorf("%s: refusals have taught it %s", provider, got[first].Body)
		}
	}
}

// TestNamedExtra has upstreams whose error names what they refuse, one thing at a time. That saves tries.
func TestNamedExtra(t *testing.T) {
	t.Parallel()
	u := listen(t,
		status(400, "", `{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","param":"max_tokens"}}`),
		status(400, "", `{"error":{"message":"Unsupported value: 'temperature' does not support 0 with this model.","param":"temperature"}}`),
		status(200, "", completion(goodReply, "stop")))
	if err := replyError(bounded(t), openAI(t, u)); err != nil {
		t.Fatal(err)
	}
	requests := u.Requests()
	if len(requests) != 3 {
		t.Fatalf("%d requests, want 3", len(requests))
	}
	last := string(requests[2].Body)
	if !strings.Contains(last, "max_completion_tokens") || strings.Contains(last, "temperature") || !strings.Contains(last, "json_schema") {
		t.Errorf("the last request is %s", last)
	}
}

// TestPassingFailure has a server error that passes. It is no proof that the schema is refused.
func TestPassingFailure(t *testing.T) {
	t.Parallel()
	u := listen(t, status(500, "", "boom"), status(200, "", completion(goodReply, "stop")))
	if err := replyError(bounded(t), openAI(t, u)); err != nil {
		t.Fatal(err)
	}
	for _, r := range u.Requests() {
		if !bytes.Contains(r.Body, []byte("json_schema")) {
			t.Errorf("the schema is left out: %s", r.Body)
		}
	}
}

// TestGrammarFailure has servers that fail over a schema in words that say so, or again and again.
func TestGrammarFailure(t *testing.T) {
	t.Parallel()
	for name, failures := range map[string][]script{
		"llama.cpp": {status(400, "", `{"error":{"code":400,"message":"Failed to parse grammar","type":"invalid_request_error"}}`)},
		"vLLM":      {status(400, "", `{"object":"error","message":"The provided JSON schema contains features not supported by xgrammar."}`)},
		"in words":  {status(500, "", `{"error":"failed to load grammar"}`)},
		"again":     {status(500, "", "boom"), status(500, "", "boom")},
		"in band":   {status(200, "", `{"error":{"code":400,"message":"grammar"}}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := listen(t, append(failures, status(200, "", completion(goodReply, "stop")))...)
			if err := replyError(bounded(t), openAI(t, u)); err != nil {
				t.Fatal(err)
			}
			if last := u.Requests()[len(failures)].Body; !bytes.Contains(last, []byte(`"json_object"`)) {
				t.Errorf("the last request is %s", last)
			}
		})
	}
}

// TestErrorInPlaceOfAnswer has errors with status 200. Before any text they are as their code says.
func TestErrorInPlaceOfAnswer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, body string
		want       upstream.Kind
		hits       int
	}{
		{"number", `{"error":{"code":429,"message":"slow"}}`, upstream.KindRateLimited, 3},
		{"text", `{"error":{"code":"503","message":"busy"}}`, upstream.KindUnavailable, 3},
		{"status", `{"error":{"status":401,"message":"no"}}`, upstream.KindAuth, 1},
		{"status beside a text", `{"error":"no","status":402}`, upstream.KindQuota, 1},
		{"status_code", `{"error":{"status_code":503}}`, upstream.KindUnavailable, 3},
		{"name of a status", `{"error":{"status":"RESOURCE_EXHAUSTED"}}`, upstream.KindRateLimited, 3},
		{"object", `{"object":"error","code":429}`, upstream.KindRateLimited, 3},
		{"type", `{"type":"error","error":{"type":"overloaded_error"}}`, upstream.KindUnavailable, 3},
		{"in a choice", `{"choices":[{"error":{"code":429}}]}`, upstream.KindRateLimited, 3},
		{"mere text", `{"error":"boom"}`, upstream.KindUnavailable, 3},
		{"empty", `{"error":{}}`, upstream.KindUnavailable, 3},
		{"unknown model", `{"error":{"code":"model_not_found"}}`, upstream.KindNoModel, 1},
	} {
		const header = "Retry-After-Ms: 1\r\n"
		for name, head := range map[string]string{"events": eventHead, "JSON": labelled("application/json")} {
			t.Run(test.name+", "+name, func(t *testing.T) {
				t.Parallel()
				body := test.body
				if head == eventHead {
					body = thought("hm") + event(test.body) + done
				}
				u := listen(t, raw(strings.Replace(head, "\r\n\r\n", "\r\n"+header+"\r\n", 1)+body))
				text, _, err := ask(bounded(t), openAI(t, u))
				if e := checkKind(t, err, test.want); e.RetryAfter == 0 {
					t.Errorf("Retry-After is lost: %v", e)
				}
				if hits := len(u.Requests()); hits != test.hits || text != "" {
					t.Errorf("%d requests and %q, want %d and nothing", hits, text, test.hits)
				}
			})
		}
	}
	u := listen(t, raw(eventHead+"event: error\ndata: {\"message\":\"boom\",\"code\":503}\n\n"), raw(eventHead+delta("He")+goodEnd))
	if text, _, err := ask(bounded(t), openAI(t, u)); err != nil || text != "He" {
		t.Errorf("after an event of the name error: %q, %v", text, err)
	}
	u = listen(t, raw(lineHead+`{"error":{"code":429}}`+"\n"), raw(lineHead+line("He")+goodLineEnd))
	if text, _, err := ask(bounded(t), ollama(t, u)); err != nil || text != "He" {
		t.Errorf("after a line with an error: %q, %v", text, err)
	}
}
