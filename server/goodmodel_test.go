package server_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/tmc/langchaingo/llms"

	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/llm/upstream/upstreamtest"
	"example.com/pagila-api/store/pgtest"
)

// plan is how a good model answers a question: by calls of tools, one in each round, and from the last result.
type plan struct {
	calls  []llms.FunctionCall
	answer *template.Template
}

// listOfFilms is the answer of a plan that has none of its own.
const listOfFilms = `{{if .total}}{{.total}} films:{{range $i, $film := .items}}{{if lt $i 8}} [{{.film_id}}]{{end}}{{end}}{{else}}None of the films fits.{{end}}`

// plans reads testdata/calls.tsv. The key is the question.
func plans(t *testing.T) map[string]plan {
	t.Helper()
	raw, err := os.ReadFile("testdata/calls.tsv")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]plan{}
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(columns) < 3 {
			t.Fatalf("this line has no call: %s", line)
		}
		p := plan{answer: template.Must(template.New("").Parse(cmp.Or(columns[1], listOfFilms)))}
		for _, call := range columns[2:] {
			name, arguments, _ := strings.Cut(call, " ")
			p.calls = append(p.calls, llms.FunctionCall{Name: name, Arguments: arguments})
		}
		all[columns[0]] = p
	}
	return all
}

// chatMessage is a message of OpenAI's protocol.
type chatMessage struct {
	Role    string
	Content string
}

// reply is the next message of the model, as the events of a stream.
func (p plan) reply(messages []chatMessage) (string, error) {
	var results []string
	for _, m := range messages {
		if m.Role == "tool" {
			results = append(results, m.Content)
		}
	}
	if len(results) < len(p.calls) {
		call := p.calls[len(results)]
		return upstreamtest.Calls([2]string{call.Name, call.Arguments}) + upstreamtest.Finish("tool_calls"), nil
	}
	var result map[string]any
	if err := json.Unmarshal([]byte(results[len(results)-1]), &result); err != nil {
		return "", fmt.Errorf("read the result: %w", err)
	}
	if _, refused := result["code"]; refused {
		return "", fmt.Errorf("the last call was refused: %v", result)
	}
	var answer strings.Builder
	if err := p.answer.Execute(&answer, result); err != nil {
		return "", fmt.Errorf("answer from the result: %w", err)
	}
	return upstreamtest.Delta(answer.String()) + upstreamtest.Finish("stop"), nil
}

// questionIn is the question of a conversation.
func questionIn(messages []chatMessage) string {
	var question string
	for _, m := range messages {
		_, block, _ := strings.Cut(m.Content, "<question>\n")
		block, _, found := strings.Cut(block, "\n</question>")
		if found && m.Role == "user" && json.Unmarshal([]byte(block), &question) == nil {
			return question
		}
	}
	return ""
}

// newGoodModel starts the server of a model that answers questions as planned.
func newGoodModel(t *testing.T, plans map[string]plan) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request struct{ Messages []chatMessage }
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			t.Errorf("the request is not JSON: %v", err)
		}
		p, ok := plans[questionIn(request.Messages)]
		if !ok {
			t.Errorf("this is not a planned question: %+v", request.Messages)
			return
		}
		events, err := p.reply(request.Messages)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, events, upstreamtest.Done)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestGoodModel shows that a model that makes good calls answers everyday questions from the right films.
func TestGoodModel(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	planned := plans(t)
	if len(planned) < 150 {
		t.Errorf("the model has the calls for %d questions, want 150", len(planned))
	}
	u := newGoodModel(t, planned)
	a := start(t, withModel(newModel(t, loadContract(t), upstream.Config{Provider: "openai", APIKey: upstreamtest.Key, BaseURL: u.URL + "/v1"})))
	a.exec(t, `UPDATE film SET streaming_available = true WHERE film_id % 50 = 7`)
	unasked := maps.Clone(planned)
	for _, q := range questions(t) {
		if _, ok := planned[q.text]; !ok {
			continue
		}
		delete(unasked, q.text)
		t.Run(q.text, func(t *testing.T) {
			got := a.get(t, "/ai/ask?question="+url.QueryEscape(q.text)).want(t, 200)
			q.check(t, a, string(got.body))
			sources := strings.Split(got.header.Get("X-AI-Sources"), ", ")
			for _, film := range cited.FindAllStringSubmatch(string(got.body), -1) {
				if !slices.Contains(sources, film[1]) {
					t.Errorf("film %s is not among the sources %s", film[1], sources)
				}
			}
		})
	}
	for text := range unasked {
		t.Errorf("the table of questions lacks %q", text)
	}
}
