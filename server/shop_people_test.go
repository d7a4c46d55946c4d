package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// axeFile is the checker of accessibility. `npm ci` in the directory shop installs it.
const axeFile = "shop/node_modules/axe-core/axe.min.js"

func readAxe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(axeFile)
	if errors.Is(err, os.ErrNotExist) && os.Getenv("CI") == "" {
		t.Skipf("there is no %s: run npm ci in server/shop", axeFile)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// violations runs axe, with options, and describes what it finds.
const violations = `axe.run(document, %s).then(({ violations }) => violations.map(({ id, impact, help, nodes }) =>
  id + " (" + impact + "): " + help + nodes.map(({ html }) => "\n    " + html.slice(0, 200)).join("")).join("\n"))`

// The rules of axe: all of them, those that depend on colours, and those that depend on the layout.
const (
	allRules    = `{ rules: { "target-size": { enabled: true } } }`
	colourRules = `{ runOnly: { type: "rule", values: ["color-contrast", "link-in-text-block"] } }`
	layoutRules = `{ runOnly: { type: "rule", values: ["target-size", "scrollable-region-focusable", "color-contrast"] } }`
)

// wantAccessible checks the page with axe, which must have been loaded.
func (b *browser) wantAccessible(what, rules string) {
	b.t.Helper()
	if found := see(b, chromedp.Evaluate[string](fmt.Sprintf(violations, rules), chromedp.EvalAwaitPromise)); found != "" {
		b.t.Errorf("%s: %s", what, found)
	}
}

// look checks what is on the screen, light and dark, and at many widths.
func (b *browser) look(axe, what string) {
	b.t.Helper()
	see(b, chromedp.Evaluate[bool]("if (!window.axe) {"+axe+"}\ntrue"))
	b.prefer("dark")
	b.wantAccessible(what+", dark", colourRules)
	b.prefer("light")
	b.wantAccessible(what, allRules)
	for _, width := range []int64{360, 390, 800, 1280, 1920} {
		b.do(chromedp.EmulateViewport(width, 900))
		if wide := see(b, chromedp.Evaluate[string](sideways)); wide != "" {
			b.t.Errorf("%s, %d wide: the page scrolls sideways: %s", what, width, wide)
		}
		if width == 360 { // the filters are folded, and columns are below one another
			b.wantAccessible(what+", 360 wide", layoutRules)
		}
	}
	b.pictures(what)
	b.do(chromedp.EmulateViewport(1280, 900))
}

// pictures takes screenshots, if the directory for them is set.
func (b *browser) pictures(what string) {
	b.t.Helper()
	if os.Getenv("DOCS_SCREENSHOTS") == "" {
		return
	}
	for _, width := range []int64{360, 800, 1440} {
		b.do(chromedp.EmulateViewport(width, 900))
		for _, scheme := range []string{"light", "dark"} {
			b.prefer(scheme)
			b.screenshot(fmt.Sprintf("shop-%s-%d-%s", strings.ReplaceAll(what, " ", "-"), width, scheme))
		}
	}
	b.prefer("light")
}

// Every view in every state is accessible, light and dark, and fits on every screen.
func TestShopAccessible(t *testing.T) {
	t.Parallel()
	axe := readAxe(t)
	c := newCounterCase(t, start(t))
	c.overdue(t)
	b := startShop(t)
	b.do(chromedp.EmulateViewport(1280, 900))
	look := func(what string) { t.Helper(); b.look(axe, what) }
	base := c.door.URL + "/"

	b.visit(base)
	b.results().at("status", "").wantText("films")
	b.wantStill("films")
	look("films")
	b.visit(base + "#/films?q=the&category=Comedy&rating=PG&in_stock=true&store_id=1&sort=-length&actor_id=1")
	b.results().at("status", "").wantText("film")
	look("conditions")
	b.visit(base + "#/films?title=nosuchtitle")
	b.wantShown("No films match.")
	b.wantStill("no films")
	look("no films")
	b.excuse("status of 400")
	b.visit(base + "#/films?length_min=x")
	b.at("alert", "").wait()
	look("malformed")
	b.visit(base + fmt.Sprintf("#/films/%d", c.film))
	b.at("table", "Copies of this film by store").wait()
	b.wantStill("a film")
	look("film")
	b.excuse("status of 404")
	b.visit(base + "#/films/2147483647")
	b.at("alert", "").wait()
	look("no film")
	b.visit(base + "#/nowhere")
	b.wantShown("There is no such page")
	look("no page")

	b.visit(base + "#/ask")
	b.at("region", "For example").wait()
	look("ask")
	answer := b.ask("comedies rated PG")
	answer.at("status", "").wantText("The answer is complete")
	b.wantStill("an answer")
	look("answer")
	b.excuse("status of 503", "/ai/ask")
	c.door.guard(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/ai/ask" {
			respondBusy(w)
		}
		return r.URL.Path == "/ai/ask"
	})
	b.ask("robots").at("alert", "").wait()
	look("no answer")
	c.door.guard(nil)

	b.visit(base + "#/counter")
	b.at("button", "Log in").wait()
	look("login")
	b.excuse("status of 400", "/token")
	b.logsIn("wrong")
	b.at("alert", "").wait()
	look("no login")
	b.logsIn("secret")
	b.like("link", "No. 1,").wait()
	b.wantStill("customers")
	look("customers")
	b.turnTo(fmt.Sprintf("#/counter/customers/%d", c.customer))
	b.at("region", "Rented now").at("button", "Return "+c.title).click()
	b.at("dialog", "Return this copy?").wait()
	look("return")
	b.keys(kb.Escape)
	b.at("dialog", "Return this copy?").gone()
	look("customer")
	b.excuse("status of 409")
	b.rental().at("radio", "This copy").click()
	b.rental().at("spinbutton", "Number of the copy").fill(strconv.Itoa(c.copies[0]))
	b.rental().at("spinbutton", "Member of staff").fill("1")
	b.rental().at("button", "Rent").click()
	b.rental().at("alert", "").wait()
	look("conflict")
	b.wantCleanConsole(c.door.URL, 20)
}

// respondBusy responds as a server that is overloaded for a minute.
func respondBusy(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "60")
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprint(w, `{"type":"about:blank","title":"The server is busy","status":503,"detail":"Too many requests are in progress.","instance":"/","code":"server_busy","request_id":"0123456789abcdef"}`)
}

// tabTo presses Tab until an element has the focus. Each element on the way shows that it has the focus, and is on the
// screen.
func (b *browser) tabTo(role, part string) {
	b.t.Helper()
	var way []string
	for range 150 {
		b.keys(kb.Tab)
		gotRole, gotName := b.focused()
		way = append(way, gotRole+" "+gotName)
		if hidden := see(b, chromedp.Evaluate[string](unseen)); hidden != "" {
			b.t.Errorf("the focus is not seen: %s", hidden)
		}
		if gotRole == role && strings.Contains(gotName, part) {
			return
		}
	}
	b.t.Fatalf("Tab does not lead to the %s %q, only to %q", role, part, way)
}

// unseen describes the element with the focus if a person cannot see that it has the focus: it has no outline, and
// neither has what it is a part of, or it is not on the screen.
const unseen = `(() => {
  const active = document.activeElement;
  // The browser itself marks the parts of a date.
  if (active === document.body || active === document.documentElement || active.type === "date") return "";
  let outlined = active;
  while (outlined && !(getComputedStyle(outlined).outlineStyle !== "none" && parseFloat(getComputedStyle(outlined).outlineWidth) >= 2)) outlined = outlined.parentElement;
  const { left, right, top, bottom } = active.getBoundingClientRect();
  const onScreen = right > 0 && bottom > 0 && left < innerWidth && top < innerHeight;
  return outlined && onScreen ? "" : active.outerHTML.slice(0, 200);
})()`

// The keyboard alone is enough for everything.
func TestShopKeyboard(t *testing.T) {
	t.Parallel()
	c := newCounterCase(t, start(t))
	c.overdue(t)
	b := startShop(t)
	b.visit(c.door.URL + "/")
	b.results().at("status", "").wantText("films")

	// The first stop skips the navigation.
	b.tabTo("link", "Skip to the content")
	b.keys(kb.Enter)
	b.wantFocus("heading", "Films")
	b.tabTo("searchbox", "Search")
	b.insert(strings.ToLower(c.title))
	b.results().at("link", c.title).wait()
	b.tabTo("checkbox", "In stock")
	b.keys(" ")
	b.at("button", "Remove the condition In stock").wait()
	b.tabTo("button", "Remove the condition In stock")
	b.keys(kb.Enter)
	b.at("button", "Remove the condition In stock").gone()
	b.results().at("status", "").wantText("film") // the links of the list before are removed
	b.tabTo("link", c.title)
	b.keys(kb.Enter)
	b.wantFocus("heading", c.title)
	b.back()
	b.wantFocus("link", c.title)
	b.keys(kb.Enter)
	b.wantFocus("heading", c.title)

	// From the film to the question about it, and to a source.
	b.tabTo("link", "Ask about this film")
	b.keys(kb.Enter)
	b.wantFocus("heading", "Ask about the films")
	b.tabTo("textbox", "Your question")
	b.do(chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.insert("comedies rated PG")
	b.keys(kb.Enter)
	answer := b.answer("comedies rated PG")
	answer.at("status", "").wantText("The answer is complete")
	sources := answer.at("region", "Sources").at("link", "").names()
	if len(sources) == 0 {
		t.Fatal("the answer has no sources")
	}
	source := sources[0]
	b.tabTo("link", source)
	b.keys(kb.Enter)
	b.wantFocus("heading", source)

	// From a film to the counter, and to a rental.
	b.turnTo(fmt.Sprintf("#/films/%d", c.film))
	b.wantFocus("heading", c.title)
	b.tabTo("link", "Rent")
	b.keys(kb.Enter)
	b.wantFocus("heading", "The counter")
	b.tabTo("textbox", "User name")
	b.insert("somebody")
	b.tabTo("textbox", "Password")
	b.insert("secret")
	b.keys(kb.Enter)
	b.wantFocus("heading", "The counter")
	b.tabTo("searchbox", "Name")
	b.insert(c.name)
	b.until("one customer", func() (bool, error) { return b.like("link", "No. ").count() == 1, nil })
	b.tabTo("link", c.name)
	b.keys(kb.Enter)
	b.wantFocus("heading", c.name)

	b.tabTo("button", "Return "+c.title)
	b.keys(kb.Enter)
	b.at("dialog", "Return this copy?").wait()
	b.keys(kb.Escape)
	b.at("dialog", "Return this copy?").gone()
	b.tabTo("button", "Return "+c.title)
	b.keys(kb.Enter)
	b.tabTo("button", "Return it")
	b.keys(kb.Enter)
	b.wantFocus("button", "Close")
	b.keys(kb.Enter)
	b.at("dialog", "Returned").gone()

	b.tabTo("spinbutton", "Member of staff") // the film comes from the address
	b.insert("1")
	b.keys(kb.Enter)
	b.rental().wantText("Rented " + c.title)
	b.tabTo("DisclosureTriangle", "Start a subscription")
	b.keys(kb.Enter)
	b.tabTo("radio", "Basic")
	b.keys(" ")
	b.tabTo("button", "Subscribe")
	b.keys(kb.Enter)
	b.at("region", "Streaming").wantText("The subscription to basic starts on")
	b.tabTo("button", "Cancel the plan basic")
	b.keys(kb.Enter)
	b.tabTo("button", "Cancel it")
	b.keys(kb.Enter)
	b.wantFocus("button", "Close")
	b.keys(kb.Enter)
	b.tabTo("button", "Log out")
	b.keys(kb.Enter)
	b.wantFocus("heading", "The counter")
	b.wantCleanConsole(c.door.URL, 20)
}
