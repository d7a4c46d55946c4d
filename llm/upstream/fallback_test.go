package upstream_test

import (
	"bytes"
	"cmp"
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

// picky is an upstream that refuses requests with certain members, by default without saying which.
type picky struct {
	refused []string // members of the body, or the beginning of their values
	status  int
	body    string // of the refusal; empty means one whose words say nothing
	answer  string // an event stream
	whole   string // for a request that is not streamed
	got     []map[string]json.RawMessage
}

func (p *picky) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, err
	}
	p.got = append(p.got, fields)
	for _, name := range p.refused {
		member, value, _ := strings.Cut(name, "=")
		if raw, ok := fields[member]; ok && strings.Contains(string(raw), value) {
			return response(p.status, cmp.Or(p.body, `{"error":{"message":"Extra inputs are not permitted"}}`)), nil
		}
	}
	if _, streamed := fields["stream"]; !streamed {
		return response(200, p.whole), nil
	}
	return response(200, p.answer), nil
}

// pickyModel is a model at such an upstream, with its log.
func pickyModel(t *testing.T, provider string, p *picky) (*upstream.Model, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	p.answer, p.whole = delta("He")+goodEnd, completion(goodReply, "stop")
	return newModel(t, upstream.Config{
		Provider: provider, BaseURL: "http://upstream.test/v1", OllamaHost: "http://upstream.test", HTTPClient: &http.Client{Transport: p},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}), &log
}

// If an upstream refuses a part of a request without saying which, the first call finds the part by
// trying, and later calls leave it out.
func TestFallback(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, provider string
		summary        bool
		refused        []string
		status         int
		kept           []string // members that the second call still sends
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
		{"schema, Ollama", "ollama", true, []string{"response_format=json_schema"}, 400, []string{"response_format", "temperature"}},
		{"any format, Ollama", "ollama", true, []string{"response_format"}, 400, []string{"temperature", "max_tokens"}},
		{"temperature, Ollama", "ollama", false, []string{"temperature"}, 400, []string{"max_tokens", "stream"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := &picky{refused: test.refused, status: test.status}
			c, log := pickyModel(t, test.provider, p)
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
				t.Errorf("%d requests", tries)
			}
			p.got = nil
			if err := call(); err != nil {
				t.Fatal(err)
			}
			if len(p.got) != 1 {
				t.Fatalf("the second call takes %d requests", len(p.got))
			}
			for _, name := range test.kept {
				if _, ok := p.got[0][name]; !ok {
					t.Errorf("%s is left out unnecessarily: %s", name, p.got[0])
				}
			}
			if n := strings.Count(log.String(), "level=WARN"); n != 1 {
				t.Errorf("%d warnings, want 1:\n%s", n, log)
			}
		})
	}
}

// If an upstream refuses every request, the error is the first one, and the next call starts with the same
// request.
func TestEveryRequestRefused(t *testing.T) {
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
				t.Errorf("%s: the error is %v, after %d requests from %d on", provider, e, len(tries), before)
			}
			for i, r := range tries {
				if slices.ContainsFunc(tries[:i], func(other request) bool { return bytes.Equal(other.Body, r.Body) }) {
					t.Errorf("%s: the same request is sent twice: %s", provider, r.Body)
				}
			}
		}
		if log.Len() > 0 {
			t.Errorf("%s: the log says %s", provider, &log)
		}
		first := len(u.Requests())
		_, _, _ = ask(bounded(t), c)
		if got := u.Requests(); !bytes.Equal(got[first].Body, got[0].Body) {
			t.Errorf("%s: after the refusals the first request is %s", provider, got[first].Body)
		}
	}
}

// An error that names the refused part saves requests.
func TestNamedPart(t *testing.T) {
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

// A temporary server error does not prove that the schema is refused.
func TestTemporaryFailure(t *testing.T) {
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

// An error means that the schema is refused if it mentions the grammar or the schema, or if it is repeated.
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

// The code of an error in a response of status 200 decides what is done, as long as there is no text yet.
func TestErrorInsteadOfAnswer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, body string
		want       upstream.Kind
		hits       int
	}{
		{"number", `{"error":{"code":429,"message":"slow"}}`, upstream.KindRateLimited, 3},
		{"text", `{"error":{"code":"503","message":"busy"}}`, upstream.KindUnavailable, 3},
		{"status", `{"error":{"status":401,"message":"no"}}`, upstream.KindAuth, 1},
		{"status next to a string", `{"error":"no","status":402}`, upstream.KindQuota, 1},
		{"status_code", `{"error":{"status_code":503}}`, upstream.KindUnavailable, 3},
		{"name of a status", `{"error":{"status":"RESOURCE_EXHAUSTED"}}`, upstream.KindRateLimited, 3},
		{"object", `{"object":"error","code":429}`, upstream.KindRateLimited, 3},
		{"type", `{"type":"error","error":{"type":"overloaded_error"}}`, upstream.KindUnavailable, 3},
		{"in a choice", `{"choices":[{"error":{"code":429}}]}`, upstream.KindRateLimited, 3},
		{"just a string", `{"error":"boom"}`, upstream.KindUnavailable, 3},
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
					t.Errorf("%d requests and the text %q, want %d and none", hits, text, test.hits)
				}
			})
		}
	}
	u := listen(t, raw(eventHead+"event: error\ndata: {\"message\":\"boom\",\"code\":503}\n\n"), raw(eventHead+delta("He")+goodEnd))
	if text, _, err := ask(bounded(t), openAI(t, u)); err != nil || text != "He" {
		t.Errorf("after an event named error: %q, %v", text, err)
	}
	u = listen(t, raw(lineHead+`{"error":{"code":429}}`+"\n"), raw(lineHead+line("He")+goodLineEnd))
	if text, _, err := ask(bounded(t), ollama(t, u)); err != nil || text != "He" {
		t.Errorf("after a line with an error: %q, %v", text, err)
	}
}

// Words of an error that could be about something else, or that quote the question, do not end the search
// for the refused part.
func TestMisleadingErrorWords(t *testing.T) {
	t.Parallel()
	const echo = `"input":{"messages":[{"role":"user","content":"Is the model context length too long, or does the model not exist? A moderation content filter"}]}`
	for _, test := range []struct {
		status int
		body   string
	}{
		{400, `{"error":{"message":"Unknown model parameter: temperature does not exist"}}`},
		{400, `{"error":{"message":"unknown model option temperature"}}`},
		{422, `{"error":{"message":"temperature: unsupported input; input_size"}}`},
		{400, `{"error":{"message":"content filter plugin: unknown field temperature"}}`},
		{400, `{"message":"moderation: temperature is not allowed"}`},
		{422, `{"detail":[{"type":"extra_forbidden","loc":["body","temperature"],"msg":"Extra inputs are not permitted",` + echo + `}]}`},
		{400, `{"error":"The model does not exist with these options"}`},
		{404, `{"error":{"message":"No endpoints found that support the requested parameters","code":404}}`},
		{404, `{"error":"model option not found: temperature"}`},
		{200, `{"error":{"code":400,"message":"this model's context window option does not exist"}}`},
	} {
		for _, provider := range []string{"openai", "ollama"} {
			var bodies []string
			c := newModel(t, upstream.Config{Provider: provider, BaseURL: "http://upstream.test/v1", OllamaHost: "http://upstream.test", HTTPClient: &http.Client{
				Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					body, err := io.ReadAll(r.Body)
					if err != nil {
						return nil, err
					}
					if bodies = append(bodies, string(body)); strings.Contains(string(body), `"temperature"`) {
						return response(test.status, test.body), nil
					}
					return response(200, delta("He")+goodEnd), nil
				}),
			}})
			for range 2 {
				if text, _, err := ask(bounded(t), c); err != nil || text != "He" {
					t.Fatalf("%s, %d %s: got %q, %v after %d requests", provider, test.status, test.body, text, err, len(bodies))
				}
			}
			if last := bodies[len(bodies)-2]; strings.Contains(last, `"temperature"`) {
				t.Errorf("%s, %s: the second call still sends it: %s", provider, test.body, last)
			}
		}
	}
	// The same for the format of a reply.
	for _, body := range []string{
		`{"error":{"message":"This model does not support json_schema; option not found"}}`,
		`{"error":{"message":"Unknown model: response formats are unknown to it"}}`,
	} {
		p := &picky{refused: []string{"response_format"}, status: 400, body: body}
		c, _ := pickyModel(t, "openai", p)
		if err := replyError(bounded(t), c); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// If an error quotes the question, the words of the question do not decide what the error is.
func TestErrorQuotesQuestion(t *testing.T) {
	t.Parallel()
	const question = "The model does not exist? The maximum context length and the moderation"
	for _, body := range []string{
		`{"detail":[{"type":"missing","loc":["body","user"],"msg":"Field required","input":{"messages":["` + question + `"]}}]}`,
		`{"error":{"message":"no user","request":{"prompt":"` + question + `"}}}`,
		`{"error":{"message":"no user"},"body":"` + question + `","messages":[{"content":"` + question + `"}],"prompt":"` + question + `"}`,
		`{"object":"error","message":"[{'type': 'missing', 'loc': ('body', 'user'), 'msg': 'Field required', 'input': {'content': '` + question + `'}}]","code":400}`,
	} {
		u := listen(t, status(400, "", body))
		_, _, err := ask(bounded(t), openAI(t, u))
		checkKind(t, err, upstream.KindRejected)
		if n := len(u.Requests()); n > 7 {
			t.Errorf("%d requests", n)
		}
	}
}
