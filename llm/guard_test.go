package llm_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/pagila-api/llm"
)

// TestPanic has an adapter panic, here by way of its HTTP client.
func TestPanic(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "ollama"} {
		c := newClient(t, llm.Config{Provider: provider, BaseURL: "http://upstream.test", HTTPClient: &http.Client{
			Transport: roundTripper(func(*http.Request) (*http.Response, error) { panic("nil choice") }),
		}})
		_, _, err := ask(bounded(t), c)
		checkKind(t, err, llm.KindBadResponse)
	}
}

// TestModelError has a model that fails without HTTP: the offline model finds no catalogue in a
// message where it looks for one.
func TestModelError(t *testing.T) {
	t.Parallel()
	dir := promptDir(t, "ask", replace(t, "{{role \"user\"}}\n{{catalogue}}", "{{catalogue}}"))
	_, _, err := ask(bounded(t), newClient(t, llm.Config{Provider: "offline", PromptDir: dir}))
	checkKind(t, err, llm.KindBadResponse)
}

// TestLength shows that an answer cut at the token limit still says what it cost.
func TestLength(t *testing.T) {
	t.Parallel()
	u := listen(t, raw(eventHead+delta("He")+finish("length")+usageEvent+done))
	text, result, err := ask(bounded(t), openAI(t, u))
	checkKind(t, err, llm.KindLength)
	want := llm.Result{Model: "m-1", Provider: "openai", Prompt: result.Prompt, FinishReason: "length", Usage: llm.Usage{Prompt: 11, Completion: 3}}
	if text != "He" || result != want {
		t.Errorf("got %q, %+v, want %+v", text, result, want)
	}
}

// TestConcurrent shares one client among many callers. Each gets his own answer.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		sent := messages(t, body)
		var question string
		block := strings.TrimSuffix(strings.TrimPrefix(sent[len(sent)-1].Content, "<question>"), "</question>")
		if err := json.Unmarshal([]byte(block), &question); err != nil {
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, word := range strings.Fields(question) {
			_, _ = io.WriteString(w, delta(word))
			w.(http.Flusher).Flush()
		}
		_, _ = io.WriteString(w, finish("stop")+done)
	}))
	t.Cleanup(server.Close)
	c := newClient(t, llm.Config{Provider: "openai", BaseURL: server.URL})
	failures := make(chan error)
	const callers = 50
	for i := range callers {
		go func() {
			var text strings.Builder
			_, err := c.Ask(bounded(t), llm.NewQuestion(fmt.Sprintf("a%[1]d b%[1]d c%[1]d", i), nil), func(piece string) error {
				text.WriteString(piece)
				return nil
			})
			if want := fmt.Sprintf("a%[1]db%[1]dc%[1]d", i); err == nil && text.String() != want {
				err = fmt.Errorf("the answer is %q, want %q", text.String(), want)
			}
			failures <- err
		}()
	}
	for range callers {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
}

// TestReadToTheEnd shows that a good answer's body is read to its end, though nothing is wanted of
// what follows the answer. Only so can its connection serve the next call.
func TestReadToTheEnd(t *testing.T) {
	t.Parallel()
	ended := false
	body := io.MultiReader(strings.NewReader(delta("He")+finish("stop")+done), reader(func([]byte) (int, error) {
		ended = true
		return 0, io.EOF
	}))
	c := newClient(t, llm.Config{Provider: "openai", BaseURL: "http://upstream.test", HTTPClient: &http.Client{
		Transport: roundTripper(func(*http.Request) (*http.Response, error) { return stream(body), nil }),
	}})
	if _, _, err := ask(bounded(t), c); err != nil {
		t.Fatal(err)
	}
	if !ended {
		t.Error("the end was not read")
	}
}
