package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/llms"

	reader "example.com/pagila-api/llm/offline"
	"example.com/pagila-api/store/pgtest"
)

// question is a line of testdata/questions.tsv.
type question struct {
	kind, text, truth, order string
}

// macros are the conditions on a film f that the table abbreviates.
var macros = []struct {
	pattern *regexp.Regexp
	sql     string
}{
	{regexp.MustCompile(`cat\(([\w-]+)\)`), `EXISTS (SELECT FROM film_category fc JOIN category c USING (category_id) WHERE fc.film_id = f.film_id AND c.name = '$1')`},
	{regexp.MustCompile(`actor\(([\w ]+)\)`), `EXISTS (SELECT FROM film_actor fa JOIN actor a USING (actor_id) WHERE fa.film_id = f.film_id AND a.first_name || ' ' || a.last_name ILIKE '%$1%')`},
	{regexp.MustCompile(`feature\(([\w ]+)\)`), `'$1' = ANY (f.special_features)`},
	{regexp.MustCompile(`stock\((\d)\)`), `(stock() AND EXISTS (SELECT FROM inventory i WHERE i.film_id = f.film_id AND i.store_id = $1 AND NOT EXISTS (SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND r.return_date IS NULL)))`},
	{regexp.MustCompile(`stock\(\)`), `EXISTS (SELECT FROM inventory i WHERE i.film_id = f.film_id AND NOT EXISTS (SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND r.return_date IS NULL))`},
}

func questions(tb testing.TB) []question {
	tb.Helper()
	raw, err := os.ReadFile("testdata/questions.tsv")
	if err != nil {
		tb.Fatal(err)
	}
	var all []question
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := append(strings.Split(strings.TrimSuffix(line, "\n"), "\t"), "", "")
		truth := fields[2]
		for _, m := range macros {
			truth = m.pattern.ReplaceAllString(truth, m.sql)
		}
		all = append(all, question{fields[0], fields[1], truth, fields[3]})
	}
	return all
}

// conversation is a question with the offline model's calls and their results.
type conversation struct {
	messages []llms.MessageContent
	answer   string
	calls    []llms.ToolCall
}

// converse lets the offline model answer a question with the tools of a server.
func converse(ctx context.Context, text string, call func(ctx context.Context, c llms.ToolCall) (string, error)) (conversation, error) {
	block, err := json.Marshal(text)
	if err != nil {
		return conversation{}, err
	}
	c := conversation{messages: []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, "<question>\n"+string(block)+"\n</question>")}}
	m := reader.New(nil)
	for range 5 {
		got, err := m.GenerateContent(ctx, c.messages, llms.WithTools([]llms.Tool{{Type: "function"}}))
		if err != nil {
			return c, err
		}
		choice := got.Choices[0]
		if len(choice.ToolCalls) == 0 {
			c.answer = choice.Content
			return c, nil
		}
		asked := llms.MessageContent{Role: llms.ChatMessageTypeAI}
		var results []llms.MessageContent
		for _, tc := range choice.ToolCalls {
			result, err := call(ctx, tc)
			if err != nil {
				return c, err
			}
			c.calls = append(c.calls, tc)
			asked.Parts = append(asked.Parts, tc)
			results = append(results, llms.MessageContent{Role: llms.ChatMessageTypeTool, Parts: []llms.ContentPart{
				llms.ToolCallResponse{ToolCallID: tc.ID, Name: tc.FunctionCall.Name, Content: "<result>" + result + "</result>"},
			}})
		}
		c.messages = append(append(c.messages, asked), results...)
	}
	return c, fmt.Errorf("no answer after %d calls", len(c.calls))
}

// caller calls operations of the server by their operationId.
func caller(t *testing.T, a *testAPI) func(context.Context, llms.ToolCall) (string, error) {
	paths := map[string]string{}
	doc := loadContract(t)
	for path, item := range doc.Paths.Map() {
		if item.Get != nil {
			paths[item.Get.OperationID] = path
		}
	}
	return func(ctx context.Context, c llms.ToolCall) (string, error) {
		args := map[string]any{}
		if err := json.Unmarshal([]byte(c.FunctionCall.Arguments), &args); err != nil {
			return "", err
		}
		path, query := paths[c.FunctionCall.Name], url.Values{}
		for name, v := range args {
			if strings.Contains(path, "{"+name+"}") {
				path = strings.ReplaceAll(path, "{"+name+"}", fmt.Sprint(v))
				continue
			}
			list, ok := v.([]any)
			if !ok {
				list = []any{v}
			}
			for _, one := range list {
				query.Add(name, fmt.Sprint(one))
			}
		}
		got := a.get(t, path+"?"+query.Encode())
		if got.status != http.StatusOK {
			return "", fmt.Errorf("%s %s: %d %s", c.FunctionCall.Name, c.FunctionCall.Arguments, got.status, got.body)
		}
		return string(got.body), nil
	}
}

// TestQuestions asks the offline model everyday questions about Pagila. Where it says that it understood each
// word, its answer has to be right. It has to understand 60 % of them.
func TestQuestions(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	a := start(t)
	a.exec(t, `UPDATE film SET streaming_available = true WHERE film_id % 50 = 7`)
	call := caller(t, a)
	all := questions(t)
	understood := 0
	for _, q := range all {
		t.Run(q.text, func(t *testing.T) {
			c, err := converse(t.Context(), q.text, call)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d calls\n%s", len(c.calls), c.answer)
			if len(c.calls) > 12 {
				t.Errorf("there are %d calls, want at most 12", len(c.calls))
			}
			if !reader.Understood(c.messages) {
				if !strings.Contains(c.answer, "Not understood") {
					t.Errorf("the answer does not say what was not understood: %s", c.answer)
				}
				return
			}
			understood++
			q.check(t, a, c.answer)
		})
	}
	t.Logf("understood %d of %d questions", understood, len(all))
	if len(all) < 150 || understood*10 < len(all)*6 {
		t.Errorf("understood %d of %d questions, want 60 %% of at least 150", understood, len(all))
	}
}

// cited matches a film that an answer cites.
var cited = regexp.MustCompile(`\[(\d+)\]`)

// check compares an answer with the truth.
func (q question) check(t *testing.T, a *testAPI, answer string) {
	t.Helper()
	switch q.kind {
	case "films":
		var got, want []int32
		for _, m := range cited.FindAllStringSubmatch(answer, -1) {
			id, err := strconv.ParseInt(m[1], 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, int32(id))
		}
		order := q.order
		if order == "" {
			order = "film_id LIMIT 8"
		}
		if err := a.db.NewRaw(`SELECT film_id FROM film f WHERE `+q.truth+` ORDER BY `+order).Scan(t.Context(), &want); err != nil {
			t.Fatal(err)
		}
		if q.order == "" {
			slices.Sort(got)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the films are %d, want %d:\n%s", got, want, answer)
		}
		q.checkTotal(t, a, answer)
	case "count":
		q.checkTotal(t, a, answer)
	case "fact":
		var want []string
		if err := a.db.NewRaw(q.truth).Scan(t.Context(), &want); err != nil {
			t.Fatal(err)
		}
		for _, text := range want {
			if !strings.Contains(answer, text) {
				t.Errorf("the answer lacks %q:\n%s", text, answer)
			}
		}
		if len(want) == 0 {
			t.Error("the truth is empty")
		}
	default:
		t.Errorf("the model says that it understood this:\n%s", answer)
	}
}

// checkTotal compares the number of films in an answer.
func (q question) checkTotal(t *testing.T, a *testAPI, answer string) {
	t.Helper()
	total := one[int64](t, a, `SELECT count(*) FROM film f WHERE `+q.truth)
	want := fmt.Sprintf(`\b%d films?\b`, total)
	if strings.Contains(q.order, "LIMIT") && !strings.HasSuffix(q.order, "LIMIT 8") {
		return
	}
	if total == 0 {
		want = "None of the films fits"
	}
	if !regexp.MustCompile(want).MatchString(answer) {
		t.Errorf("the answer does not say %q:\n%s", want, answer)
	}
}
