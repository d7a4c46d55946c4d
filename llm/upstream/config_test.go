package upstream_test

import (
	"strings"
	"testing"

	"example.com/pagila-api/llm/upstream"
)

func TestName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cfg  upstream.Config
		want string
	}{
		{upstream.Config{Provider: "openai", APIKey: key}, "gpt-4o-mini"},
		{upstream.Config{Provider: "openai", BaseURL: "http://localhost:8000/v1", Model: "qwen"}, "qwen"},
		{upstream.Config{Provider: "ollama"}, "llama3.2"},
		{upstream.Config{Provider: "ollama", OllamaHost: "0.0.0.0"}, "llama3.2"},
		{upstream.Config{Provider: "ollama", OllamaHost: ":11434"}, "llama3.2"},
		{upstream.Config{Provider: "ollama", OllamaHost: "[::1]:11434"}, "llama3.2"},
	} {
		if got := newModel(t, test.cfg).Name(); got != test.want {
			t.Errorf("%+v: the name is %q, want %q", test.cfg, got, test.want)
		}
	}
}

func TestBadConfig(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for _, test := range []struct {
		name string
		cfg  upstream.Config
		want string
	}{
		{"no provider", upstream.Config{}, "unknown provider"},
		{"unknown provider", upstream.Config{Provider: "OpenAI"}, "unknown provider"},
		{"no key", upstream.Config{Provider: "openai"}, "API key is required"},
		{"key with a line break", upstream.Config{Provider: "openai", APIKey: secret + "\n"}, "not allowed in a key"},
		{"no scheme", upstream.Config{Provider: "openai", BaseURL: "localhost:8000/v1"}, "want http:// or https://"},
		{"another scheme", upstream.Config{Provider: "openai", BaseURL: "ftp://localhost"}, "want http:// or https://"},
		{"no host", upstream.Config{Provider: "openai", BaseURL: "http:///v1"}, "no host"},
		{"malformed URL", upstream.Config{Provider: "openai", BaseURL: "http://[::1"}, "not a URL"},
		{"password", upstream.Config{Provider: "openai", BaseURL: "http://me:" + secret + "@localhost"}, "password is not allowed"},
		{"password in a malformed URL", upstream.Config{Provider: "openai", BaseURL: "http://me:" + secret + "@[::1"}, "not a URL"},
		{"query", upstream.Config{Provider: "openai", BaseURL: "http://localhost?key=" + secret}, "query"},
		{"Ollama, malformed URL", upstream.Config{Provider: "ollama", OllamaHost: "http://[::1"}, "not a URL"},
		{"Ollama, malformed host", upstream.Config{Provider: "ollama", OllamaHost: "[::1"}, "not a URL"},
		{"Ollama, another scheme", upstream.Config{Provider: "ollama", OllamaHost: "unix:///tmp/ollama"}, "want http:// or https://"},
		{"model", upstream.Config{Provider: "ollama", Model: "a\r\nb"}, "control character"},
		{"model name with a local model", upstream.Config{Provider: "here", Model: "a b", Local: local{}}, "whitespace"},
		{"limit", upstream.Config{Provider: "ollama", Timeout: -1}, "negative"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := upstream.New(test.cfg)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one with %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error contains the secret: %v", err)
			}
		})
	}
}

// The environment variables of the adapters are not read.
func TestEnvironment(t *testing.T) {
	for _, name := range []string{"OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_ORGANIZATION", "OLLAMA_HOST"} {
		t.Setenv(name, "from-the-environment")
	}
	s := listen(t, raw(eventHead+delta("He")+finish("stop")+done))
	if _, _, err := ask(bounded(t), newModel(t, upstream.Config{Provider: "openai", BaseURL: s.URL + "/v1"})); err != nil {
		t.Fatal(err)
	}
	r := s.Requests()[0]
	if strings.Contains(string(r.Body), "environment") {
		t.Errorf("the request is %s", r.Body)
	}
	for name, values := range r.Header {
		if strings.Contains(strings.Join(values, ","), "environment") {
			t.Errorf("the header %s is %q", name, values)
		}
	}
	o := listen(t, raw(lineHead+line("He")+lastLine("stop")))
	if _, _, err := ask(bounded(t), ollama(t, o)); err != nil {
		t.Fatal(err)
	}
	if len(o.Requests()) != 1 {
		t.Error("the configured server was not asked")
	}
}
