package llm_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/llm"
)

func TestInfo(t *testing.T) {
	t.Parallel()
	version := regexp.MustCompile(`^(ask|summary)@[0-9a-f]{8}$`)
	for _, test := range []struct {
		cfg  llm.Config
		want llm.Info
	}{
		{llm.Config{Provider: "offline"}, llm.Info{Provider: "offline", Model: "offline"}},
		{llm.Config{Provider: "offline", Model: "gpt-4o"}, llm.Info{Provider: "offline", Model: "offline"}},
		{llm.Config{Provider: "openai", APIKey: key}, llm.Info{Provider: "openai", Model: "gpt-4o-mini"}},
		{llm.Config{Provider: "openai", BaseURL: "http://localhost:8000/v1", Model: "qwen"}, llm.Info{Provider: "openai", Model: "qwen"}},
		{llm.Config{Provider: "ollama"}, llm.Info{Provider: "ollama", Model: "llama3.2"}},
		{llm.Config{Provider: "ollama", OllamaHost: "0.0.0.0"}, llm.Info{Provider: "ollama", Model: "llama3.2"}},
		{llm.Config{Provider: "ollama", OllamaHost: ":11434"}, llm.Info{Provider: "ollama", Model: "llama3.2"}},
		{llm.Config{Provider: "ollama", OllamaHost: "[::1]:11434"}, llm.Info{Provider: "ollama", Model: "llama3.2"}},
	} {
		got := newClient(t, test.cfg).Info()
		if !version.MatchString(got.AskPrompt) || !version.MatchString(got.SummaryPrompt) {
			t.Errorf("the prompts are %s and %s", got.AskPrompt, got.SummaryPrompt)
		}
		got.AskPrompt, got.SummaryPrompt = "", ""
		if got != test.want {
			t.Errorf("%+v: got %+v, want %+v", test.cfg, got, test.want)
		}
	}
}

func TestBadConfig(t *testing.T) {
	t.Parallel()
	component, err := summaryComponent()
	if err != nil {
		t.Fatal(err)
	}
	const secret = "hunter2"
	for _, test := range []struct {
		name string
		cfg  llm.Config
		want string
	}{
		{"no provider", llm.Config{}, "unknown provider"},
		{"unknown provider", llm.Config{Provider: "OpenAI"}, "unknown provider"},
		{"no key", llm.Config{Provider: "openai"}, "API key is needed"},
		{"key with a line break", llm.Config{Provider: "openai", APIKey: secret + "\n"}, "no key has"},
		{"no scheme", llm.Config{Provider: "openai", BaseURL: "localhost:8000/v1"}, "want http:// or https://"},
		{"another scheme", llm.Config{Provider: "openai", BaseURL: "ftp://localhost"}, "want http:// or https://"},
		{"no host", llm.Config{Provider: "openai", BaseURL: "http:///v1"}, "no host"},
		{"no URL", llm.Config{Provider: "openai", BaseURL: "http://[::1"}, "not a URL"},
		{"password", llm.Config{Provider: "openai", BaseURL: "http://me:" + secret + "@localhost"}, "password does not belong"},
		{"password in no URL", llm.Config{Provider: "openai", BaseURL: "http://me:" + secret + "@[::1"}, "not a URL"},
		{"query", llm.Config{Provider: "openai", BaseURL: "http://localhost?key=" + secret}, "query"},
		{"Ollama's no URL", llm.Config{Provider: "ollama", OllamaHost: "http://[::1"}, "not a URL"},
		{"Ollama's bare no URL", llm.Config{Provider: "ollama", OllamaHost: "[::1"}, "not a URL"},
		{"Ollama's scheme", llm.Config{Provider: "ollama", OllamaHost: "unix:///tmp/ollama"}, "want http:// or https://"},
		{"model", llm.Config{Provider: "ollama", Model: "a\r\nb"}, "control character"},
		{"limit", llm.Config{Provider: "offline", Timeout: -1}, "negative"},
		{"prompts", llm.Config{Provider: "offline", PromptDir: "no such folder"}, "no such file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.cfg.Summary = component
			_, err := llm.New(test.cfg)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one with %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
}

// TestEnvironment shows that the adapters' own variables are not read.
func TestEnvironment(t *testing.T) {
	for _, name := range []string{"OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_ORGANIZATION", "OLLAMA_HOST"} {
		t.Setenv(name, "from-the-environment")
	}
	u := listen(t, raw(eventHead+delta("He")+finish("stop")+done))
	if _, _, err := ask(bounded(t), newClient(t, llm.Config{Provider: "openai", BaseURL: u.url + "/v1"})); err != nil {
		t.Fatal(err)
	}
	r := u.got()[0]
	if strings.Contains(string(r.body), "environment") {
		t.Errorf("the request is %s", r.body)
	}
	for name, values := range r.header {
		if strings.Contains(strings.Join(values, ","), "environment") {
			t.Errorf("the header %s is %q", name, values)
		}
	}
	o := listen(t, raw(lineHead+line("He")+lastLine("stop")))
	if _, _, err := ask(bounded(t), ollama(t, o)); err != nil {
		t.Fatal(err)
	}
	if len(o.got()) != 1 {
		t.Error("the configured Ollama was not asked")
	}
}

// TestBadSchema is about components that no reply could be verified against.
func TestBadSchema(t *testing.T) {
	t.Parallel()
	text := func() *openapi3.SchemaRef { return openapi3.NewStringSchema().NewRef() }
	object := func(required ...string) *openapi3.Schema {
		s := openapi3.NewObjectSchema()
		s.Required = required
		s.Properties = openapi3.Schemas{}
		for _, name := range required {
			s.Properties[name] = text()
		}
		return s
	}
	optional := object("title", "rating")
	optional.Properties["recommended"] = text()
	dangling := object("title", "rating", "recommended")
	dangling.Properties["rating"] = &openapi3.SchemaRef{Ref: "#/nowhere"}
	nullable := object("title", "rating", "recommended")
	nullable.Properties["rating"].Value.Nullable = true
	list := object("title", "rating", "recommended")
	list.Properties["rating"].Value = openapi3.NewArraySchema()
	untyped := object("title", "rating", "recommended")
	untyped.Properties["rating"].Value = openapi3.NewSchema()
	for _, test := range []struct {
		name   string
		schema *openapi3.Schema
		want   string
	}{
		{"none", nil, "missing"},
		{"a text", openapi3.NewStringSchema(), "members"},
		{"a member too many", object("title", "rating", "recommended", "why"), "members"},
		{"a member too few", object("title", "rating"), "members"},
		{"optional member", optional, "required"},
		{"unresolved reference", dangling, "not there"},
		{"nullable member", nullable, "nullable"},
		{"list", list, "array"},
		{"no type", untyped, "one type"},
		{"combined", openapi3.NewOneOfSchema(object("title")), "combined"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := llm.New(llm.Config{Provider: "offline", Summary: test.schema})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one with %q", err, test.want)
			}
		})
	}
}

// promptDir is a folder with the embedded prompts, one of them edited.
func promptDir(t *testing.T, name string, edit func(string) string) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range []string{"ask.prompt", "summary.prompt"} {
		text, err := os.ReadFile(filepath.Join("prompts", file))
		if err != nil {
			t.Fatal(err)
		}
		if file == name+".prompt" {
			text = []byte(edit(string(text)))
		}
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// replace edits a prompt, and fails where there is nothing to edit.
func replace(t *testing.T, old, by string) func(string) string {
	t.Helper()
	return func(text string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("the prompt has no %q", old)
		}
		return strings.Replace(text, old, by, 1)
	}
}

func TestPromptDir(t *testing.T) {
	t.Parallel()
	u := listen(t, raw(eventHead+delta("He")+finish("stop")+done))
	embedded := newClient(t, llm.Config{Provider: "openai", BaseURL: u.url})
	dir := promptDir(t, "ask", replace(t, "You help", "You gladly help"))
	edited := newClient(t, llm.Config{Provider: "openai", BaseURL: u.url, PromptDir: dir})
	windows := promptDir(t, "ask", func(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") })
	crlf := newClient(t, llm.Config{Provider: "openai", BaseURL: u.url, PromptDir: windows})

	versions := map[string]bool{}
	for _, c := range []*llm.Client{embedded, edited, crlf} {
		_, result, err := ask(bounded(t), c)
		if err != nil {
			t.Fatal(err)
		}
		name, hash, _ := strings.Cut(result.Prompt, "@")
		if name != "ask" || len(hash) != 8 {
			t.Errorf("the prompt is %q, want ask@ and eight digits", result.Prompt)
		}
		versions[result.Prompt] = true
	}
	if len(versions) != 3 {
		t.Errorf("the versions are %v, want three", versions)
	}
	requests := u.got()
	if got := messages(t, requests[1].body)[0].Content; !strings.HasPrefix(got, "You gladly help") {
		t.Errorf("the edited prompt is not in use: %.40q", got)
	}
	if string(requests[2].body) != string(requests[0].body) {
		t.Error("line ends of another system change the messages")
	}
}

func TestBadPrompt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, prompt string
		old, by      string
		want         string
	}{
		{"unknown variable", "ask", "{{question}}", "{{question}} {{password}}", "unknown variable {{password}}"},
		{"variable of another prompt", "summary", "{{catalogue}}", "{{catalogue}} {{question}}", "unknown variable {{question}}"},
		{"missing variable", "ask", "{{question}}", "?", "variable {{question}} is missing"},
		{"undeclared variable", "ask", "    question: string, what the customer wants to know, as a data block\n", "", "input.schema declares"},
		{"template code", "ask", "{{question}}", `{{question}} {{env "HOME"}}`, "not a role or a variable"},
		{"unclosed mark", "ask", "{{question}}", "{{question}} {{question", "not a role or a variable"},
		{"unknown role", "ask", `{{role "model"}}`, `{{role "tool"}}`, `unknown role "tool"`},
		{"text before the first role", "ask", `{{role "system"}}`, `Hello. {{role "system"}}`, "text before the first role"},
		{"variable before the first role", "ask", `{{role "system"}}`, `{{question}}{{role "system"}}`, "text before the first role"},
		{"empty message", "ask", "I have read the catalogue. What is the question?", "  ", "message 3 is empty"},
		{"unknown key", "ask", "temperature:", "temprature:", "temprature"},
		{"unknown key at the top", "ask", "name: ask", "name: ask\nmodel: gpt-5", "model"},
		{"wrong name", "ask", "name: ask", "name: answer", `want "ask"`},
		{"temperature", "ask", "temperature: 0.2", "temperature: 20", "temperature is 20"},
		{"topP", "ask", "temperature: 0.2", "topP: 2", "topP is 2"},
		{"token limit", "ask", "maxOutputTokens: 800", "maxOutputTokens: 0", "maxOutputTokens is 0"},
		{"wrong type", "ask", "maxOutputTokens: 800", "maxOutputTokens: many", "front matter"},
		{"text of JSON", "ask", "format: text", "format: json", "output has to be text"},
		{"JSON of text", "summary", "format: json", "format: text", "output has to be json"},
		{"another component", "summary", "schema: FilmSummary", "schema: Film", "output has to be json"},
		{"no front matter", "ask", "---\n", "", "front matter"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			component, err := summaryComponent()
			if err != nil {
				t.Fatal(err)
			}
			dir := promptDir(t, test.prompt, replace(t, test.old, test.by))
			_, err = llm.New(llm.Config{Provider: "offline", Summary: component, PromptDir: dir})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "prompt "+test.prompt) {
				t.Errorf("the error is %v, want one with %q", err, test.want)
			}
		})
	}
}
