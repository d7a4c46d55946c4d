package llm_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream"
)

// promptDir is a directory with the embedded prompts, one of them edited.
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

// replace edits a prompt, and fails if there is nothing to edit.
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
	u := listen(t, streamed("He"))
	embedded := clientOf(t, upstream.Config{Provider: "openai", BaseURL: u.URL})
	dir := promptDir(t, "ask", replace(t, "You help", "You gladly help"))
	edited := newClient(t, llm.Config{Upstream: upstream.Config{Provider: "openai", BaseURL: u.URL}, PromptDir: dir})
	windows := promptDir(t, "ask", func(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") })
	crlf := newClient(t, llm.Config{Upstream: upstream.Config{Provider: "openai", BaseURL: u.URL}, PromptDir: windows})

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
	requests := u.Requests()
	if got := messages(t, requests[1].Body)[0].Content; !strings.HasPrefix(got, "You gladly help") {
		t.Errorf("the edited prompt is not in use: %.40q", got)
	}
	if string(requests[2].Body) != string(requests[0].Body) {
		t.Error("line endings of another system change the messages")
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
		{"variable of another prompt", "summary", "{{film}}", "{{film}} {{question}}", "unknown variable {{question}}"},
		{"missing variable", "ask", "{{question}}", "?", "variable {{question}} is missing"},
		{"undeclared variable", "ask", "    question: string, what the customer wants to know, as a data block\n", "", "input.schema declares"},
		{"template code", "ask", "{{question}}", `{{question}} {{env "HOME"}}`, "not a role or a variable"},
		{"unclosed mark", "ask", "{{question}}", "{{question}} {{question", "not a role or a variable"},
		{"unknown role", "ask", `{{role "user"}}`, `{{role "tool"}}`, `unknown role "tool"`},
		{"text before the first role", "ask", `{{role "system"}}`, `Hello. {{role "system"}}`, "text before the first role"},
		{"variable before the first role", "ask", `{{role "system"}}`, `{{question}}{{role "system"}}`, "text before the first role"},
		{"empty message", "ask", "{{question}}\n", "{{role \"user\"}} {{question}}", "message 2 is empty"},
		{"unknown key", "ask", "temperature:", "temprature:", "temprature"},
		{"unknown key at the top", "ask", "name: ask", "name: ask\nmodel: gpt-5", "model"},
		{"wrong name", "ask", "name: ask", "name: answer", `want "ask"`},
		{"temperature", "ask", "temperature: 0.2", "temperature: 20", "temperature is 20"},
		{"topP", "ask", "temperature: 0.2", "topP: 2", "topP is 2"},
		{"token limit", "ask", "maxOutputTokens: 1000", "maxOutputTokens: 0", "maxOutputTokens is 0"},
		{"wrong type", "ask", "maxOutputTokens: 1000", "maxOutputTokens: many", "front matter"},
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
			_, err = llm.New(llm.Config{Upstream: upstream.Config{Provider: "offline"}, Summary: component, PromptDir: dir})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "prompt "+test.prompt) {
				t.Errorf("the error is %v, want one with %q", err, test.want)
			}
		})
	}
}

// The topP of a prompt is sent, but not to a model that refuses it.
func TestTopP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"ask.prompt", "summary.prompt"} {
		text, err := os.ReadFile(filepath.Join("prompts", name))
		if err != nil {
			t.Fatal(err)
		}
		with := strings.Replace(string(text), "config:\n", "config:\n  topP: 0.9\n", 1)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(with), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for model, want := range map[string]bool{"llama3.2": true, "o4-mini": false} {
		u := listen(t, completed(goodReply))
		c := newClient(t, llm.Config{Upstream: upstream.Config{Provider: "openai", BaseURL: u.URL + "/v1", Model: model}, PromptDir: dir})
		if _, _, err := c.Summarize(bounded(t), film()); err != nil {
			t.Fatal(err)
		}
		if sent := u.Requests()[0].Body; bytes.Contains(sent, []byte(`"top_p":0.9`)) != want {
			t.Errorf("%s: top_p should be sent: %t: %s", model, want, sent)
		}
	}
}
