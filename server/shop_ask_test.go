package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/llm/upstream/upstreamtest"
	"example.com/pagila-api/server"
)

// ledModel is a server of a language model that a test leads. It looks comedies up, and then writes what the test says.
type ledModel struct {
	*httptest.Server
	parts chan string    // the next part of the answer: "" ends it, and cut breaks the connection
	left  chan time.Time // when the client has closed its request
	calls atomic.Int32
}

const cut = "\x00"

// preamble is long enough to be an answer. A shorter text may be a comment before the call of a tool.
var preamble = strings.TrimSpace(strings.Repeat("Let me think of every film that I know. ", 7))

func startLed(t *testing.T) *ledModel {
	t.Helper()
	u := &ledModel{parts: make(chan string), left: make(chan time.Time, 10)}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request struct{ Messages []chatMessage }
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			t.Errorf("the request is not JSON: %v", err)
		}
		u.calls.Add(1)
		w.Header().Set("Content-Type", "text/event-stream")
		if !slices.ContainsFunc(request.Messages, func(m chatMessage) bool { return m.Role == "tool" }) {
			fmt.Fprint(w, upstreamtest.Calls([2]string{"listFilms", `{"category":["Comedy"],"page_size":8}`}), upstreamtest.Finish("tool_calls"), upstreamtest.Done)
			return
		}
		for {
			select {
			case part := <-u.parts:
				switch part {
				case "":
					fmt.Fprint(w, upstreamtest.Finish("stop"), usageOfRound, upstreamtest.Done)
					return
				case cut:
					panic(http.ErrAbortHandler)
				}
				fmt.Fprint(w, upstreamtest.Delta(part))
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				u.left <- time.Now()
				return
			}
		}
	}))
	t.Cleanup(u.Close)
	return u
}

// says writes the next part of the answer.
func (u *ledModel) says(t *testing.T, part string) {
	t.Helper()
	select {
	case u.parts <- part:
	case <-time.After(patience):
		t.Fatalf("nobody asks the model, which would say %q", part)
	}
}

func (u *ledModel) model(t *testing.T) option {
	t.Helper()
	return withModel(newModel(t, loadContract(t), upstream.Config{Provider: "openai", APIKey: upstreamtest.Key, BaseURL: u.URL + "/v1"}))
}

// answer is the answer to a question on the page.
func (b *browser) answer(question string) element { return b.at("article", question) }

// ask asks a question in the form.
func (b *browser) ask(question string) element {
	b.t.Helper()
	b.at("textbox", "Your question").fill(question)
	b.at("button", "Ask").click()
	b.wantFragment("#/ask?question=" + url.QueryEscape(question))
	return b.answer(question)
}

// comedies are the films that the model finds.
const comedies = `SELECT title` + ofFilm + `WHERE c.name = 'Comedy' ORDER BY film_id LIMIT 8`

// An answer shows while the model writes it, with what it is based on.
func TestShopAsk(t *testing.T) {
	t.Parallel()
	u := startLed(t)
	a := start(t, u.model(t))
	d := a.behindDoor(t)
	b := startShop(t)
	b.visit(d.URL + "/#/ask")
	b.at("heading", "Ask about the films").wait()

	const question = "Which comedies would you show a child?"
	answer := b.ask(question)
	answer.wantText("listFilms")
	answer.wantText("category Comedy")
	answer.wantText("page_size 8")
	first := one[int](t, a, `SELECT min(film_id)`+ofFilm+`WHERE c.name = 'Comedy'`)
	title := one[string](t, a, `SELECT title FROM film WHERE film_id = ?`, first)
	sofar := ""
	for _, part := range []string{preamble + " I would show " + title, fmt.Sprintf(" [%d]", first), " and nothing [99999] else.", "\nمرحبا שלום"} {
		u.says(t, part)
		sofar += part
		answer.wantText(strings.Join(strings.Fields(sofar), " "))
		answer.at("status", "").wantText("The answer is being written")
	}
	answer.at("region", "Sources").at("link", "").wantNames(list(t, a, comedies), false)
	b.screenshot("shop-ask-writing")
	u.says(t, "")
	answer.at("status", "").wantText("The answer is complete")
	answer.wantText("m-1")
	answer.wantText("stop")
	b.wantStill("the answer")

	// A source leads to the film, and the answer is still there afterwards.
	answer.at("link", fmt.Sprintf("[%d]", first)).click()
	b.at("heading", title).wait()
	b.back()
	answer.wantText("I would show " + title)
	answer.at("region", "Sources").at("link", title).click()
	b.at("heading", title).wait()
	b.back()
	answer.wait()
	answer.at("link", "Show this search").click()
	b.wantFragment("#/films?category=Comedy")
	b.back()
	answer.wait()
	if n := u.calls.Load(); n != 2 {
		t.Errorf("the model was called %d times, want 2", n)
	}

	b.stops(t, u)
	b.breaks(t, a, u)
	b.asksOnlyWhenTold(t, u, d)
	b.wantCleanConsole(d.URL, 10)
}

// stops stops an answer. The model's server sees the end of the request, and the part that was written stays.
func (b *browser) stops(t *testing.T, u *ledModel) {
	t.Helper()
	answer := b.ask("Which ones are long?")
	u.says(t, preamble)
	answer.wantText(preamble)
	b.at("button", "Stop").click()
	b.receive(u.left, "the end of the model's request")
	answer.at("status", "").wantText("You stopped the model")
	answer.wantText(preamble)
	b.screenshot("shop-ask-stopped")
}

// breaks breaks an answer. The part that was written stays, with the cause.
func (b *browser) breaks(t *testing.T, a *testAPI, u *ledModel) {
	t.Helper()
	b.excuse("ERR_INCOMPLETE_CHUNKED_ENCODING", "/ai/ask")
	answer := b.ask("Which ones are cheap?")
	u.says(t, preamble+" Half an ans")
	answer.wantText(preamble + " Half an ans")
	u.says(t, cut)
	answer.at("alert", "").wantText("The answer is incomplete")
	answer.wantText(preamble + " Half an ans")
	answer.at("status", "").wantText("The answer failed")
	b.screenshot("shop-ask-broken")
	if !strings.Contains(a.log.String(), "llm_bad_response") {
		t.Errorf("the log has no failure: %s", a.log)
	}
	answer.at("button", "Try again").click()
	u.says(t, "A whole answer.")
	u.says(t, "")
	answer.wantText("A whole answer.")
	answer.at("status", "").wantText("The answer is complete")
}

// asksOnlyWhenTold opens the address of a question that somebody has sent. It is asked when the reader says so. A link
// on the page asks at once.
func (b *browser) asksOnlyWhenTold(t *testing.T, u *ledModel, d *door) {
	t.Helper()
	const question = "What about robots?"
	d.take("")
	b.visit(d.URL + "/#/ask?question=" + url.QueryEscape(question))
	b.wantShown("This question has not been asked yet.")
	if got := of[string](b.at("textbox", "Your question"), "function() { return this.value }"); got != question {
		t.Errorf("the form has %q", got)
	}
	if asked := d.take("GET /ai/ask"); len(asked) > 0 {
		t.Errorf("the page has asked %q by itself", asked)
	}
	b.at("button", "Ask").click()
	u.says(t, "They rust.")
	u.says(t, "")
	b.answer(question).wantText("They rust.")

	b.at("link", "Ask").click()
	const example = "Which short comedies are rated PG?"
	b.at("link", example).click()
	u.says(t, "Some.")
	u.says(t, "")
	b.answer(example).wantText("Some.")
}

// A failure before the first text is shown as what it is, with the time to wait.
func TestShopAskFails(t *testing.T) {
	t.Parallel()
	fails := map[string]*llm.Error{
		"busy":   {Kind: llm.KindRateLimited, RetryAfter: 90 * time.Second, Err: errors.New("secret")},
		"broken": {Kind: llm.KindBadResponse, Err: errors.New("secret")},
		"slow":   {Kind: llm.KindTimeout, Err: errors.New("secret")},
		"rude":   {Kind: llm.KindFiltered, Err: errors.New("secret")},
	}
	var recovered atomic.Bool
	a := start(t, withModel(scripted{ask: func(ctx context.Context, q llm.Question, emit func(string) error) (llm.Result, error) {
		if failure := fails[q.Text]; failure != nil && !recovered.Load() {
			return llm.Result{}, failure
		}
		return says(nil, "An answer at last.").ask(ctx, q, emit)
	}}))
	b := startShop(t)
	b.visit(a.URL + "/#/ask")
	for question, want := range map[string]struct {
		status int
		code   string
	}{"busy": {503, "llm_unavailable"}, "broken": {502, "llm_bad_response"}, "slow": {504, "llm_timeout"}, "rude": {422, "llm_refused"}} {
		b.excuse(fmt.Sprintf("status of %d", want.status), "/ai/ask")
		answer := b.ask(question)
		p := a.get(t, "/ai/ask?question="+question).wantProblem(t, want.status, gen.ProblemCode(want.code))
		answer.at("alert", "").wantText(p.Title)
		answer.at("alert", "").wantText(p.Detail)
		if strings.Contains(b.shown(), "secret") {
			t.Errorf("%s: the page shows the cause", question)
		}
		b.screenshot("shop-ask-" + question)
	}

	// The wait counts down, and then the button works.
	answer := b.ask("busy")
	answer.wantSeconds("Wait", 31, 90)
	again := answer.at("button", "Try again")
	if !of[bool](again, "function() { return this.disabled || this.ariaDisabled === 'true' }") {
		t.Error("the button does not wait")
	}
	b.skip(30 * time.Second)
	answer.wantSeconds("Wait", 1, 60)
	recovered.Store(true)
	b.skip(time.Minute)
	b.until("the end of the wait", func() (bool, error) {
		return on[bool](again, "function() { return !this.disabled && this.ariaDisabled !== 'true' }")
	})
	again.click()
	answer.wantText("An answer at last.")
	b.wantCleanConsole(a.URL, 10)
}

// skip sets the page's clock forward.
func (b *browser) skip(d time.Duration) {
	b.t.Helper()
	see(b, chromedp.Evaluate[bool](fmt.Sprintf("((now) => (Date.now = () => now() + %d, true))(Date.now)", d.Milliseconds())))
}

// wantSeconds waits until the element shows a number of seconds after a text.
func (e element) wantSeconds(text string, least, most int) {
	e.b.t.Helper()
	e.b.until(fmt.Sprintf("%q and %d to %d s in %s", text, least, most, e), func() (bool, error) {
		var seconds int
		_, rest, _ := strings.Cut(e.text(), text)
		_, err := fmt.Sscanf(rest, "%d s", &seconds)
		return least <= seconds && seconds <= most, err
	})
}

// Without a language model, the answer says how it was found. Too many questions get a message that says how long to wait.
func TestShopAskOffline(t *testing.T) {
	t.Parallel()
	a := start(t, withLimits(server.Limits{PerMinute: 1}))
	b := startShop(t)
	b.visit(a.URL + "/#/ask")
	answer := b.ask("comedies rated PG")
	answer.at("status", "").wantText("The answer is complete")
	for _, want := range []string{"listFilms", "category Comedy", "rating PG"} {
		answer.wantText(want)
	}
	fit := list(t, a, `SELECT title`+ofFilm+`WHERE c.name = 'Comedy' AND rating = 'PG'`)
	sources := answer.at("region", "Sources").at("link", "").names()
	if len(sources) == 0 {
		t.Error("there are no sources")
	}
	for _, source := range sources {
		if !slices.Contains(fit, source) {
			t.Errorf("the source %q does not fit", source)
		}
	}
	b.excuse("status of 429", "/ai/ask")
	answer = b.ask("horror films")
	answer.at("alert", "").wait()
	answer.wantSeconds("Wait", 1, 60)
	b.screenshot("shop-ask-limited")
	b.wantCleanConsole(a.URL, 5)
}
