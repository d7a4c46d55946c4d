package llm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/llm/upstream/upstreamtest"
)

func TestRecommended(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rating, rate string
		want         bool
	}{
		{"G", "0.99", false},
		{"PG", "0.99", false},
		{"PG-13", "0.99", false},
		{"R", "0.99", true},
		{"NC-17", "0.99", true},
		{"R", "2.99", true},
		{"R", "2.9999", true},
		{"R", "3.00", false},
		{"R", "3", false},
		{"NC-17", "4.99", false},
		{"R", "0", true},
		{"", "0.99", false},
		{"r", "0.99", false},
		{"X", "0.99", false},
	} {
		if got := llm.Recommended(test.rating, decimal.NewNullDecimal(decimal.RequireFromString(test.rate))); got != test.want {
			t.Errorf("Recommended(%q, %s) is %t", test.rating, test.rate, got)
		}
	}
}

const goodReply = `{"title":"ALIEN CENTER","rating":"NC-17","recommended":true}`

func TestGoodSummary(t *testing.T) {
	t.Parallel()
	want := llm.Summary{Title: "ALIEN CENTER", Rating: "NC-17", Recommended: true}
	for _, test := range []struct{ name, reply string }{
		{"plain", goodReply},
		{"another order", `{"recommended":true,"rating":"NC-17","title":"ALIEN CENTER"}`},
		{"whitespace", "\n  " + strings.ReplaceAll(goodReply, ",", ",\n\t") + "\n"},
		{"code fence", "```json\n" + goodReply + "\n```"},
		{"code fence without a language", "```\n" + goodReply + "\n```\n"},
		{"escapes", `{"title":"\u0041LIEN CENTER","rating":"NC-17","recommended":true}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := listen(t, completed(test.reply))
			got, result, err := openAI(t, u).Summarize(bounded(t), film())
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if len(u.Requests()) != 1 || result.Usage != (llm.Usage{Prompt: 9, Completion: 2}) {
				t.Errorf("%d requests, %+v", len(u.Requests()), result)
			}
		})
	}
}

// A byte order mark before the summary is ignored.
func TestBOMBeforeSummary(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"\ufeff", "\ufeff\n", "\u200b \ufeff", "\ufeff```json\n"} {
		after := ""
		if strings.Contains(before, "`") {
			after = "\n```"
		}
		u := listen(t, completed(before+goodReply+after))
		if err := summarize(bounded(t), openAI(t, u)); err != nil || len(u.Requests()) != 1 {
			t.Errorf("%q: %v after %d requests", before, err, len(u.Requests()))
		}
	}
}

// badReplies fail a check, each with an excerpt of what the model is told.
var badReplies = []struct{ name, reply, complaint string }{
	{"prose", "The film is ALIEN CENTER.", "not one whole JSON object"},
	{"prose before", "Here you are: " + goodReply, "not one whole JSON object"},
	{"prose after", goodReply + " Enjoy!", "follows"},
	{"two objects", goodReply + goodReply, "follows"},
	{"two fences", "```json\n```json\n" + goodReply + "\n```\n```", "not one whole JSON object"},
	{"array", "[" + goodReply + "]", "not one whole JSON object"},
	{"text", `"ALIEN CENTER"`, "not one whole JSON object"},
	{"null", `null`, "not one whole JSON object"},
	{"cut", goodReply[:40], "not one whole JSON object"},
	{"cut before the end", goodReply[:len(goodReply)-1], "not one whole JSON object"},
	{"empty object", `{}`, "missing"},
	{"missing key", `{"title":"ALIEN CENTER","rating":"NC-17"}`, `"recommended" is missing`},
	{"further key", `{"title":"ALIEN CENTER","rating":"NC-17","recommended":true,"why":"cheap"}`, `"why" does not belong`},
	{"wrong case", `{"Title":"ALIEN CENTER","rating":"NC-17","recommended":true}`, `"Title" does not belong`},
	{"both cases", `{"title":"ALIEN CENTER","TITLE":"ALIEN CENTER","rating":"NC-17","recommended":true}`, `"TITLE" does not belong`},
	{"twice", `{"title":"X","title":"ALIEN CENTER","rating":"NC-17","recommended":true}`, "twice"},
	{"twice by an escape", `{"title":"ALIEN CENTER","rating":"NC-17","recommended":true,"\u0072ecommended":true}`, "twice"},
	{"null title", `{"title":null,"rating":"NC-17","recommended":true}`, `"title" is wrong`},
	{"null recommended", `{"title":"ALIEN CENTER","rating":"NC-17","recommended":null}`, `"recommended" is wrong`},
	{"text for true", `{"title":"ALIEN CENTER","rating":"NC-17","recommended":"true"}`, `"recommended" is wrong`},
	{"number for true", `{"title":"ALIEN CENTER","rating":"NC-17","recommended":1}`, `"recommended" is wrong`},
	{"unknown rating", `{"title":"ALIEN CENTER","rating":"X","recommended":true}`, `"rating" is wrong`},
	{"empty title", `{"title":"","rating":"NC-17","recommended":true}`, "the title is"},
	{"endless title", `{"title":"` + strings.Repeat("A", 300) + `","rating":"NC-17","recommended":true}`, "the title is"},
	{"another title", `{"title":"ALIEN CENTRE","rating":"NC-17","recommended":true}`, "the title is"},
	{"title in another case", `{"title":"Alien Center","rating":"NC-17","recommended":true}`, "the title is"},
	{"another rating", `{"title":"ALIEN CENTER","rating":"R","recommended":true}`, "the rating is"},
	{"the wrong decision", `{"title":"ALIEN CENTER","rating":"NC-17","recommended":false}`, "recommended is false"},
	{"invalid UTF-8 as an escape", `{"title":"ALIEN CENTER\ud800","rating":"NC-17","recommended":true}`, "the title is"},
}

// Each bad reply is sent back with a correction, and a good reply after it is accepted.
func TestCorrection(t *testing.T) {
	t.Parallel()
	for _, test := range badReplies {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := listen(t,
				completed(test.reply),
				completed(test.reply),
				completed(goodReply))
			_, result, err := openAI(t, u).Summarize(bounded(t), film())
			if err != nil {
				t.Fatal(err)
			}
			requests := u.Requests()
			if len(requests) != 3 {
				t.Fatalf("%d requests, want 3", len(requests))
			}
			if result.Usage != (llm.Usage{Prompt: 27, Completion: 6}) {
				t.Errorf("the usage is %+v, want that of three calls", result.Usage)
			}
			sent := messages(t, requests[1].Body)
			last := sent[len(sent)-2:]
			if last[0].Role != "assistant" || !strings.HasPrefix(test.reply, last[0].Content) || last[0].Content == "" {
				t.Errorf("the model is shown %+v, want its reply", last[0])
			}
			if last[1].Role != "user" || !strings.Contains(last[1].Content, test.complaint) {
				t.Errorf("the complaint is %q, want one with %q", last[1].Content, test.complaint)
			}
		})
	}
}

func TestUnverified(t *testing.T) {
	t.Parallel()
	for _, test := range badReplies {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := listen(t, lines(test.reply))
			got, _, err := ollama(t, u).Summarize(bounded(t), film())
			e := checkKind(t, err, llm.KindUnverified)
			if !strings.Contains(e.Error(), "failed the check of its ") || strings.Contains(e.Error(), test.reply) {
				t.Errorf("the error is %q, want one with a reason and without the reply", e)
			}
			if got != (llm.Summary{}) {
				t.Errorf("an unverified summary is returned: %+v", got)
			}
			if hits := len(u.Requests()); hits != 3 {
				t.Errorf("%d requests, want 3", hits)
			}
		})
	}
}

// No request is sent for a film of which no summary is both true and valid.
func TestUnsummarizable(t *testing.T) {
	t.Parallel()
	unrated, misrated := film(), film()
	unrated.Rating, misrated.Rating = "", "XXX"
	for name, f := range map[string]llm.Film{"no rating": unrated, "another rating": misrated} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := listen(t, completed(goodReply))
			_, _, err := openAI(t, u).Summarize(bounded(t), f)
			checkKind(t, err, llm.KindUnverified)
			if len(u.Requests()) != 0 {
				t.Error("the model was asked")
			}
		})
	}
}

// All corrections share one deadline.
func TestOneDeadline(t *testing.T) {
	t.Parallel()
	var deadlines []time.Time
	c := clientOf(t, upstream.Config{Provider: "openai", BaseURL: "http://upstream.test", HTTPClient: &http.Client{
		Transport: upstreamtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			deadline, _ := r.Context().Deadline()
			deadlines = append(deadlines, deadline)
			return upstreamtest.Response(200, upstreamtest.Completion(`{}`, "stop")), nil
		}),
	}})
	_, _, err := c.Summarize(context.Background(), film())
	checkKind(t, err, llm.KindUnverified)
	if len(deadlines) != 3 {
		t.Fatalf("%d tries, want 3", len(deadlines))
	}
	for _, d := range deadlines {
		if d.IsZero() || !d.Equal(deadlines[0]) {
			t.Errorf("the deadlines are %v, want the same for all", deadlines)
		}
	}
}

type message struct {
	Role, Content string
	ToolCalls     []struct{ ID string } `json:"tool_calls"`
	ToolCallID    string                `json:"tool_call_id"`
}

// messages are the messages of a request body.
func messages(t *testing.T, body []byte) []message {
	t.Helper()
	var r struct{ Messages []message }
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatal(err)
	}
	return r.Messages
}

// If a model does not read the whole title, it may copy what it reads or know the whole title. Either way
// the summary has the catalogue's title.
func TestSummaryOfOddTitle(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("É ", 150)
	for title, copied := range map[string]string{
		long: long[:150/2*3], "": "", "A\tB\u200bC": "A BC", `"quoted" \`: `"quoted" \`, " ": " ",
	} {
		for _, said := range []string{title, copied} {
			f := film()
			f.Title = title
			reply, err := json.Marshal(llm.Summary{Title: said, Rating: f.Rating, Recommended: true})
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := openAI(t, listen(t, completed(string(reply)))).Summarize(bounded(t), f)
			if err != nil || got.Title != title {
				t.Errorf("%q for %q: got %q, %v", said, title, got.Title, err)
			}
		}
	}
}

func TestSummaryWithoutPrice(t *testing.T) {
	t.Parallel()
	f := film()
	f.RentalRate = decimal.NullDecimal{}
	u := listen(t, completed(`{"title":"ALIEN CENTER","rating":"NC-17","recommended":false}`))
	if _, _, err := openAI(t, u).Summarize(bounded(t), f); err != nil {
		t.Fatal(err)
	}
	if sent := string(u.Requests()[0].Body); strings.Contains(sent, "rental_rate_dollars\\\":") {
		t.Errorf("the model is told a price: %s", sent)
	}
}

// confidential is a word of a customer's question.
const confidential = "my-neighbour-Bob"

// Neither the error nor the log quotes a reply, which may contain a customer's words.
func TestSummaryNotQuoted(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{
		`{"title":"` + confidential + `","rating":"NC-17","recommended":true}`,
		`{"title":"ALIEN CENTER","rating":"` + confidential + `","recommended":true}`,
		`{"` + confidential + `":1}`,
		confidential,
	} {
		var log bytes.Buffer
		u := listen(t, completed(reply))
		c := clientOf(t, upstream.Config{Provider: "openai", BaseURL: u.URL, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		_, _, err := c.Summarize(bounded(t), film())
		checkKind(t, err, llm.KindUnverified)
		if strings.Contains(err.Error()+log.String(), "Bob") {
			t.Errorf("the reply is quoted: %v\n%s", err, log.String())
		}
	}
}

// Summaries that fail a check are counted by reason.
func TestRejectionCounter(t *testing.T) {
	t.Parallel()
	for reason, reply := range map[string]string{
		"form":        `{}`,
		"schema":      `{"title":"ALIEN CENTER","rating":"X","recommended":true}`,
		"title":       `{"title":"OTHER","rating":"NC-17","recommended":true}`,
		"rating":      `{"title":"ALIEN CENTER","rating":"PG","recommended":true}`,
		"recommended": `{"title":"ALIEN CENTER","rating":"NC-17","recommended":false}`,
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			reported := upstreamtest.NewTelemetry()
			s := listen(t, completed(reply))
			c := clientOf(t, upstream.Config{
				Provider: "openai", BaseURL: s.URL, TracerProvider: reported.Traces, MeterProvider: reported.Metrics,
			})
			checkKind(t, summarize(bounded(t), c), llm.KindUnverified)
			points := reported.Points(t)
			if points["pagila.llm.verification.failures pagila.llm.reason="+reason] != 3 {
				t.Errorf("want three failures for %s in %v", reason, points)
			}
			if n := len(reported.Spans()); n != 3 {
				t.Errorf("%d spans, want one for each try", n)
			}
		})
	}
}

// A failure of the model ends the corrections, and the result has the usage so far.
func TestSummaryFails(t *testing.T) {
	t.Parallel()
	s := listen(t, completed(`{}`), upstreamtest.Status(401, "", ""))
	got, result, err := openAI(t, s).Summarize(bounded(t), film())
	checkKind(t, err, llm.KindAuth)
	if got != (llm.Summary{}) || result.Usage != (llm.Usage{Prompt: 9, Completion: 2}) {
		t.Errorf("got %+v, %+v", got, result)
	}
	if n := len(s.Requests()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

// The facts are in the schema only if each call may have a schema of its own.
func TestPinnedFacts(t *testing.T) {
	t.Parallel()
	for baseURL, want := range map[string]bool{"https://api.openai.com/v1": false, "http://127.0.0.1:8000/v1": true} {
		var sent []byte
		c := clientOf(t, upstream.Config{
			Provider: "openai", APIKey: key, BaseURL: baseURL, HTTPClient: upstreamtest.Client(func(r *http.Request) (_ *http.Response, err error) {
				sent, err = io.ReadAll(r.Body)
				return upstreamtest.Response(200, upstreamtest.Completion(goodReply, "stop")), err
			}),
		})
		if err := summarize(bounded(t), c); err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(sent, []byte(`"enum":["ALIEN CENTER"]`)); got != want {
			t.Errorf("%s: the facts are pinned: %t, want %t: %s", baseURL, got, want, sent)
		}
	}
}
