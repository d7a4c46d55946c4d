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

	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/llm/upstream/upstreamtest"
	"example.com/pagila-api/store/pgtest"
)

// plan is how a good model answers a question: by rounds of calls of tools, and from their results.
type plan struct {
	rounds [][][2]string // the name and the arguments of each call
	answer *template.Template
}

// listOfFilms is the answer of a plan that has none of its own.
const listOfFilms = `{{if .total}}{{.total}} film{{if ne .total 1.0}}s{{end}}:` +
	`{{range $i, $film := .items}}{{if lt $i 8}}{{if $i}},{{end}} {{.title}} [{{.film_id}}]{{end}}{{end}}.` +
	`{{else}}None of the films fits.{{end}}`

// plans reads a file in testdata, in the form of calls.tsv. The key is the question.
func plans(t *testing.T, name string) map[string]plan {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]plan{}
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(columns) < 2 {
			t.Fatalf("this line has no answer: %s", line)
		}
		p := plan{answer: template.Must(template.New("").Parse(cmp.Or(columns[1], listOfFilms)))}
		for _, column := range columns[2:] {
			var round [][2]string
			for call := range strings.SplitSeq(column, " & ") {
				name, arguments, _ := strings.Cut(call, " ")
				round = append(round, [2]string{name, arguments})
			}
			p.rounds = append(p.rounds, round)
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
	round := 0
	var results []map[string]any
	for _, m := range messages {
		switch m.Role {
		case "assistant":
			round++
		case "tool":
			var result map[string]any
			if err := json.Unmarshal([]byte(m.Content), &result); err != nil {
				return "", fmt.Errorf("read a result: %w", err)
			}
			results = append(results, result)
		}
	}
	if round < len(p.rounds) {
		return upstreamtest.Calls(p.rounds[round]...) + upstreamtest.Finish("tool_calls"), nil
	}
	answer, err := p.answerFrom(results)
	return upstreamtest.Delta(answer) + upstreamtest.Finish("stop"), err
}

// answerFrom executes the template of the answer with the last result, to which it adds the list of all results.
func (p plan) answerFrom(results []map[string]any) (string, error) {
	data := map[string]any{}
	if len(results) > 0 {
		data = maps.Clone(results[len(results)-1])
	}
	if _, refused := data["code"]; refused {
		return "", fmt.Errorf("the last call was refused: %v", data)
	}
	data["results"] = results
	var answer strings.Builder
	if err := p.answer.Execute(&answer, data); err != nil {
		return "", fmt.Errorf("answer from the results: %w", err)
	}
	return answer.String(), nil
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

// usageOfRound is what the model reports for each round. The numbers are invented.
var usageOfRound = upstreamtest.Event(
	`{"model":"m-1","choices":[],"usage":{"prompt_tokens":2100,"completion_tokens":40}}`)

// withGoodModel returns a model that answers questions as planned.
func withGoodModel(t *testing.T, plans map[string]plan) option {
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
		fmt.Fprint(w, events, usageOfRound, upstreamtest.Done)
	}))
	t.Cleanup(s.Close)
	config := upstream.Config{Provider: "openai", APIKey: upstreamtest.Key, BaseURL: s.URL + "/v1"}
	return withModel(newModel(t, loadContract(t), config))
}

// TestGoodModel shows that a model that makes good calls answers everyday questions from the right films.
func TestGoodModel(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	planned := plans(t, "calls.tsv")
	if len(planned) < 150 {
		t.Errorf("the model has the calls for %d questions, want 150", len(planned))
	}
	a := start(t, withGoodModel(t, planned))
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
