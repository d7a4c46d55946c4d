package upstream_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"example.com/pagila-api/llm/upstream"
)

// A panic of an adapter is an error. The adapter here panics through its HTTP client.
func TestPanic(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "ollama"} {
		c := newModel(t, upstream.Config{Provider: provider, BaseURL: "http://upstream.test", HTTPClient: &http.Client{
			Transport: roundTripper(func(*http.Request) (*http.Response, error) { panic("nil choice") }),
		}})
		_, _, err := ask(bounded(t), c)
		checkKind(t, err, upstream.KindBadResponse)
	}
}

// An answer that was cut at the token limit is returned with its usage.
func TestLength(t *testing.T) {
	t.Parallel()
	u := listen(t, raw(eventHead+delta("He")+finish("length")+usageEvent+done))
	text, result, err := ask(bounded(t), openAI(t, u))
	checkKind(t, err, upstream.KindLength)
	want := upstream.Answer{Text: "He", Model: "m-1", FinishReason: "length", Usage: upstream.Usage{Prompt: 11, Completion: 3}}
	if text != "He" || !reflect.DeepEqual(result, want) {
		t.Errorf("got %q, %+v, want %+v", text, result, want)
	}
}

// Many callers share one model, and each gets its own answer.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var sent struct{ Messages []struct{ Content string } }
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, word := range strings.Fields(sent.Messages[0].Content) {
			_, _ = io.WriteString(w, delta(word))
			w.(http.Flusher).Flush()
		}
		_, _ = io.WriteString(w, finish("stop")+done)
	}))
	t.Cleanup(server.Close)
	c := newModel(t, upstream.Config{Provider: "openai", BaseURL: server.URL})
	failures := make(chan error)
	const callers = 50
	for i := range callers {
		go func() {
			var text strings.Builder
			r := question(fmt.Sprintf("a%[1]d b%[1]d c%[1]d", i))
			r.Emit = func(chunk string) error {
				text.WriteString(chunk)
				return nil
			}
			_, err := c.Generate(bounded(t), r)
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

// The body of a good response is read to its end, although nothing after the answer is used. Otherwise the
// connection could not serve the next call.
func TestReadToTheEnd(t *testing.T) {
	t.Parallel()
	ended := false
	body := io.MultiReader(strings.NewReader(delta("He")+finish("stop")+done), reader(func([]byte) (int, error) {
		ended = true
		return 0, io.EOF
	}))
	c := newModel(t, upstream.Config{Provider: "openai", BaseURL: "http://upstream.test", HTTPClient: &http.Client{
		Transport: roundTripper(func(*http.Request) (*http.Response, error) { return stream(body), nil }),
	}})
	if _, _, err := ask(bounded(t), c); err != nil {
		t.Fatal(err)
	}
	if !ended {
		t.Error("the end was not read")
	}
}
