package offline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/tmc/langchaingo/llms"

	"example.com/pagila-api/api"
	"example.com/pagila-api/llm/offline"
)

var errNoSummary = errors.New("no summary")

// summarizer is a model that gives a summary in JSON mode.
func summarizer(text string, err error) offline.Model {
	return offline.New(func([]llms.MessageContent) (string, error) { return text, err })
}

// ask is the beginning of a conversation.
func ask(question string) []llms.MessageContent {
	block, err := json.Marshal(question)
	if err != nil {
		panic(err)
	}
	return []llms.MessageContent{
		llms.TextParts(llms.ChatMessageTypeSystem, "You are a shop."),
		llms.TextParts(llms.ChatMessageTypeHuman, "<question>\n"+string(block)+"\n</question>"),
	}
}

// offered are the tools. The model knows their names.
var offered = llms.WithTools([]llms.Tool{{Type: "function"}})

// shop answers calls for one film and one actor.
func shop(name string) string {
	switch name {
	case "listFilms":
		return `{"items":[{"film_id":7,"title":"AIRPLANE SIERRA","length":62}],"page_size":8,"total":1}`
	case "getFilm":
		return `{"film_id":7,"title":"AIRPLANE SIERRA","length":62,"categories":["Comedy"],"actors":[{"actor_id":1,"first_name":"JIM","last_name":"MOSTEL"}],
			"availability":[{"store_id":2,"copies":5,"in_stock":4}]}`
	case "listActors":
		return `{"items":[{"actor_id":1,"first_name":"JIM","last_name":"MOSTEL","film_count":22}],"total":1}`
	default:
		return `{"items":[]}`
	}
}

// run lets the model call the shop until it answers. It returns the conversation, the calls and the answer.
func run(ctx context.Context, question string) (conversation []llms.MessageContent, calls []llms.ToolCall, answer string, err error) {
	return runIn(ctx, shop, question)
}

// runIn is run with another shop.
func runIn(ctx context.Context, shop func(name string) string, question string) (conversation []llms.MessageContent, calls []llms.ToolCall, answer string, err error) {
	conversation = ask(question)
	for round := 0; ; round++ {
		got, err := offline.New(nil).GenerateContent(ctx, conversation, offered)
		if err != nil {
			return nil, nil, "", err
		}
		choice := got.Choices[0]
		if len(choice.ToolCalls) == 0 {
			return conversation, calls, choice.Content, nil
		}
		if round == 4 {
			return nil, nil, "", fmt.Errorf("no answer after four rounds of calls: %v", choice.ToolCalls)
		}
		message := llms.MessageContent{Role: llms.ChatMessageTypeAI}
		var results []llms.MessageContent
		for _, c := range choice.ToolCalls {
			calls, message.Parts = append(calls, c), append(message.Parts, c)
			results = append(results, llms.MessageContent{Role: llms.ChatMessageTypeTool, Parts: []llms.ContentPart{
				llms.ToolCallResponse{ToolCallID: c.ID, Name: c.FunctionCall.Name, Content: shop(c.FunctionCall.Name)},
			}})
		}
		conversation = append(append(conversation, message), results...)
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		question   string
		calls      []string
		answer     string
		understood bool
	}{
		{
			"short PG comedies, shortest first",
			[]string{`listFilms {"category":["Comedy"],"count":"capped","length_max":80,"page_size":8,"rating":["PG"],"sort":"length"}`},
			"Looked for: short (at most 80 minutes), rated PG, comedies, shortest first.\n1 film:\n- AIRPLANE SIERRA [7], 62 minutes.",
			true,
		},
		{
			"who is in airplane sierra?",
			[]string{`listFilms {"count":"none","page_size":5,"title":"airplane sierra"}`, `listActors {"page_size":5,"q":"airplane sierra"}`, `getFilm {"film_id":7}`},
			"Looked for: AIRPLANE SIERRA.\nAIRPLANE SIERRA [7]: Comedy, 62 minutes; actors: JIM MOSTEL; store 2 (copies: 5) (in stock: 4).",
			true,
		},
		{
			"is airplane sierra longer than 2 hours?",
			[]string{`listFilms {"count":"none","page_size":5,"title":"airplane sierra"}`, `listActors {"page_size":5,"q":"airplane sierra"}`, `getFilm {"film_id":7}`},
			"Looked for: AIRPLANE SIERRA.\nAIRPLANE SIERRA [7]: Comedy, 62 minutes; actors: JIM MOSTEL; store 2 (copies: 5) (in stock: 4).",
			true,
		},
		{
			"films starring Mostel",
			[]string{`listFilms {"count":"none","page_size":5,"title":"Mostel"}`, `listActors {"page_size":5,"q":"Mostel"}`, `listFilms {"actor":["Mostel"],"count":"capped","page_size":8}`},
			"Looked for: with Mostel.\n1 film:\n- AIRPLANE SIERRA [7], 62 minutes.",
			true,
		},
		{
			"comedies under an hour, under two hours",
			[]string{`listFilms {"category":["Comedy"],"count":"capped","length_max":59,"page_size":8}`},
			"Looked for: comedies, length at most 59.\nNot understood, and not used: “under”, “two”, “hours”.\n1 film:\n- AIRPLANE SIERRA [7], 62 minutes.",
			false,
		},
		{
			"only dramas",
			[]string{`listFilms {"category":["Drama"],"count":"capped","page_size":8}`},
			"Looked for: dramas.\nNot understood, and not used: “only”.\n1 film:\n- AIRPLANE SIERRA [7], 62 minutes.",
			false,
		},
		{"hello", nil, "Not understood: no condition for films was found.", false},
	} {
		conversation, calls, answer, err := run(t.Context(), test.question)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range calls {
			got = append(got, c.FunctionCall.Name+" "+c.FunctionCall.Arguments)
		}
		if !slices.Equal(got, test.calls) || answer != test.answer {
			t.Errorf("%s: the calls are %q, want %q, and the answer is\n%s\nwant\n%s", test.question, got, test.calls, answer, test.answer)
		}
		if got := offline.Understood(conversation); got != test.understood {
			t.Errorf("%s: understood is %t, want %t", test.question, got, test.understood)
		}
		if test.calls != nil && offline.Understood(ask(test.question)) {
			t.Errorf("%s: understood without the results", test.question)
		}
	}
}

// TestRefused shows that a refused call is not taken for an empty result, and leaves the results of others as they are.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, result := range []string{`{"detail":"busy","status":429}`, "no object", ""} {
		for _, refused := range []string{"listFilms", "listActors"} {
			answer := func(name string) string {
				if name == refused {
					return result
				}
				return shop(name)
			}
			conversation, _, text, err := runIn(t.Context(), answer, "comedies starring mostel")
			if err != nil || !strings.Contains(text, "could not be looked up") || offline.Understood(conversation) {
				t.Errorf("%q: %s, %v", result, text, err)
			}
			if listed := strings.Contains(text, "- AIRPLANE SIERRA"); listed != (refused == "listActors") {
				t.Errorf("%s is refused, and the answer is\n%s", refused, text)
			}
		}
	}
}

// TestRefusedFilm shows that an answer about a film has no facts if their call is refused.
func TestRefusedFilm(t *testing.T) {
	t.Parallel()
	answer := func(name string) string {
		if name == "getFilm" {
			return `{"detail":"busy","status":429}`
		}
		return shop(name)
	}
	conversation, _, text, err := runIn(t.Context(), answer, "who is in airplane sierra?")
	want := "Looked for: AIRPLANE SIERRA.\nNot understood: some or all of the question could not be looked up."
	if err != nil || text != want || offline.Understood(conversation) {
		t.Errorf("%s, %v", text, err)
	}
}

// TestNoTools shows that the model answers also if it may not call the tools that it needs.
func TestNoTools(t *testing.T) {
	t.Parallel()
	got, err := offline.New(nil).GenerateContent(t.Context(), ask("comedies"))
	if err != nil || len(got.Choices[0].ToolCalls) > 0 || !strings.Contains(got.Choices[0].Content, "could not be searched") {
		t.Errorf("%+v, %v", got.Choices[0], err)
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	var pieces []string
	stream := llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error { pieces = append(pieces, string(chunk)); return nil })
	got, err := summarizer("one  two\nthree", nil).GenerateContent(t.Context(), ask("Any films?"), stream, llms.WithJSONMode())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"one ", " ", "two\nthree"}; !slices.Equal(pieces, want) {
		t.Errorf("the chunks are %q, want %q", pieces, want)
	}
	choice := got.Choices[0]
	if choice.Content != "one  two\nthree" || choice.StopReason != "stop" || choice.GenerationInfo["PromptTokens"] != 8 || choice.GenerationInfo["CompletionTokens"] != 3 {
		t.Errorf("the choice is %+v", choice)
	}
}

func TestStops(t *testing.T) {
	t.Parallel()
	full := errors.New("the client is gone")
	ctx, cancel := context.WithCancel(t.Context())
	cancelAfterFirst := llms.WithStreamingFunc(func(context.Context, []byte) error { cancel(); return nil })
	for _, test := range []struct {
		name   string
		model  offline.Model
		prompt []llms.MessageContent
		stream llms.CallOption
		want   error
	}{
		{"no answer", summarizer("", errNoSummary), ask("one"), cancelAfterFirst, errNoSummary},
		{"error of the caller", summarizer("one two", nil), ask("one"), llms.WithStreamingFunc(func(context.Context, []byte) error { return full }), full},
		{"canceled", summarizer("one two", nil), ask("one"), cancelAfterFirst, context.Canceled},
	} {
		if _, err := test.model.GenerateContent(ctx, test.prompt, test.stream, llms.WithJSONMode()); !errors.Is(err, test.want) {
			t.Errorf("%s: the error is %v, want %v", test.name, err, test.want)
		}
	}
	if _, err := offline.New(nil).Call(t.Context(), "Any films?"); err == nil {
		t.Error("there is an answer without a question")
	}
}

// TestConditions shows that a search says whether the question has a condition for films.
func TestConditions(t *testing.T) {
	t.Parallel()
	for question, want := range map[string]bool{
		"Hello!": false, "Thanks!": false, "What can you do?": false, "Do you have The Matrix?": false, "": false,
		"comedies": true, "Hi, anything under an hour?": true, "the longest of them": true, "Something scary, whatever the weather": true,
	} {
		if _, arguments, got := offline.Search(question); got != want {
			t.Errorf("%q: there are conditions: %t, want %t: %s", question, got, want, arguments)
		}
	}
}

func TestIsLookup(t *testing.T) {
	t.Parallel()
	for arguments, want := range map[string]bool{
		`{"title":"academy","page_size":5}`: true, `{"q":"title"}`: false, `{"sort":"title"}`: false, `{}`: false, `["title"]`: false, `x`: false, ``: false,
	} {
		if got := offline.IsLookup(json.RawMessage(arguments)); got != want {
			t.Errorf("%s: IsLookup is %t, want %t", arguments, got, want)
		}
	}
	for _, question := range []string{"movies called Academy", "title", "who is in airplane sierra?"} {
		if _, arguments, _ := offline.Search(question); offline.IsLookup(arguments) {
			t.Errorf("the search for %q looks a name up: %s", question, arguments)
		}
	}
}

// FuzzQuestion asks arbitrary questions. The model answers after at most four rounds and twelve calls, whose
// arguments follow the contract. Only numbers may be out of its bounds: the server refuses them, and the answer says so.
func FuzzQuestion(f *testing.F) {
	for _, question := range []string{
		"Who stars in ACADEMY and in AIRPLANE SIERRA?", "short PG comedies from $1 to 3, not with Jim Mostel or R", "anything but 60-90 minutes",
		"neither nor", "two to two hours or more", "$1-$2 to $3 dollars and 5 cents", "R R G G not", "\u0130n stock \u2126", "n't n’t",
		"longest shortest", "PG, PG, PG, PG, PG, PG, PG", "trailers and trailers" + strings.Repeat(" trailers", 12), strings.Repeat("drama, ", 25), "\xff", "between between 1 and 2 and 3 hours", "store 99999999999 store 0 store 1.5", "price < .5 > 1..2", "when is Jim due",
		"a b c d e f g h i j", "films under 0 minutes over 40000 minutes about 1900", "@film #length *60 [rating=X] +", "≥ ≤ 5 usd", "between 2000 and 1990",
	} {
		f.Add(question)
	}
	doc, err := api.Load(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, question string) {
		if len(question) > 4000 {
			return
		}
		conversation, calls, answer, err := run(t.Context(), question)
		if err != nil || answer == "" || len(calls) > 12 {
			t.Fatalf("%q: %d calls, %q, %v", question, len(calls), answer, err)
		}
		if !offline.Understood(conversation) && !strings.Contains(answer, "Not understood") {
			t.Errorf("%q: the answer does not say what was not understood: %s", question, answer)
		}
		for _, c := range calls {
			checkCall(t, doc, c.FunctionCall.Name, c.FunctionCall.Arguments)
		}
		name, arguments, _ := offline.Search(question)
		checkCall(t, doc, name, string(arguments))
	})
}

// checkCall checks a call against the contract.
func checkCall(t *testing.T, doc *openapi3.T, name, arguments string) {
	t.Helper()
	var values map[string]any
	if err := json.Unmarshal([]byte(arguments), &values); err != nil {
		t.Fatalf("%s %s: %v", name, arguments, err)
	}
	for _, item := range doc.Paths.Map() {
		if item.Get == nil || item.Get.OperationID != name {
			continue
		}
		for argument, v := range values {
			p := item.Get.Parameters.GetByInAndName("query", argument)
			if p == nil {
				p = item.Get.Parameters.GetByInAndName("path", argument)
			}
			if p == nil {
				t.Errorf("%s has no parameter %s", name, argument)
				continue
			}
			schema := *p.Schema.Value
			if strings.HasSuffix(argument, "_min") || strings.HasSuffix(argument, "_max") {
				schema.Min, schema.Max, schema.Pattern = nil, nil, ""
			}
			if err := schema.VisitJSON(v); err != nil {
				t.Errorf("%s %s: %v", name, arguments, err)
			}
		}
		return
	}
	t.Errorf("there is no operation %s", name)
}
