package upstream_test

import (
	"bytes"
	"net/http"
	"testing"

	"example.com/pagila-api/llm/upstream"
)

// Only OpenAI's own hosts want the newer name of the token limit, and only self-hosted servers take a
// schema per call at no cost. No test can reach these hosts.
func TestQuirksOfHosts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		baseURL, model, field string
		schemaPerCall         bool
		format                string // of the reply
	}{
		{"", "", "max_completion_tokens", false, "json_schema"},
		{"https://API.openai.com/v1", "gpt-4o-mini", "max_completion_tokens", false, "json_schema"},
		{"https://me.openai.azure.com/openai/v1", "gpt-4o-mini", "max_completion_tokens", false, "json_schema"},
		{"https://api.deepseek.com", "deepseek-chat", "max_tokens", false, "json_object"},
		{"https://openrouter.ai/api/v1", "qwen", "max_tokens", false, "json_schema"},
		{"https://api.openai.com.evil.example/v1", "gpt-4o-mini", "max_tokens", true, "json_schema"},
		{"http://127.0.0.1:11434/v1", "llama3.2", "max_tokens", true, "json_schema"},
	} {
		var sent []byte
		c := newModel(t, upstream.Config{Provider: "openai", APIKey: key, BaseURL: test.baseURL, Model: test.model, HTTPClient: &http.Client{
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				b := new(bytes.Buffer)
				_, err := b.ReadFrom(r.Body)
				sent = b.Bytes()
				return response(200, completion(goodReply, "stop")), err
			}),
		}})
		if _, err := reply(bounded(t), c); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(sent, []byte(`"`+test.field+`":200`)) {
			t.Errorf("%s is not sent to %q: %s", test.field, test.baseURL, sent)
		}
		if !bytes.Contains(sent, []byte(`"type":"`+test.format+`"`)) {
			t.Errorf("the reply to %q is not asked for as %s: %s", test.baseURL, test.format, sent)
		}
		if got := c.SchemaPerCall(); got != test.schemaPerCall {
			t.Errorf("%q takes a schema per call: %t, want %t", test.baseURL, got, test.schemaPerCall)
		}
	}
}

// The configuration limits how many tokens a request may ask for.
func TestMaxTokens(t *testing.T) {
	t.Parallel()
	u := listen(t, status(200, "", completion(goodReply, "stop")))
	c := newModel(t, upstream.Config{Provider: "openai", BaseURL: u.URL + "/v1", MaxTokens: 50})
	if _, err := reply(bounded(t), c); err != nil {
		t.Fatal(err)
	}
	if sent := u.Requests()[0].Body; !bytes.Contains(sent, []byte(`"max_tokens":50`)) {
		t.Errorf("the limit is not sent: %s", sent)
	}
}
