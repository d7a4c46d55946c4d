package server_test

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server"
	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// The connections that a test gives the browser.
var (
	wired   = network.Conditions{DownloadThroughput: -1, UploadThroughput: -1}
	none    = network.Conditions{DownloadThroughput: -1, UploadThroughput: -1, Offline: true}
	slow    = network.Conditions{Latency: 400, DownloadThroughput: 50_000, UploadThroughput: 50_000}
	waiting = `[...document.querySelectorAll(".skeleton")].filter((e) => e.checkVisibility()).length`
)

// connect gives the browser a connection.
func (b *browser) connect(c network.Conditions) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		rules := network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{&c}}
		if _, err := cdp.Call(ctx, t, network.EmulateNetworkConditionsByRule, rules); err != nil {
			return err
		}
		state := network.OverrideNetworkStateParams{Offline: c.Offline, Latency: c.Latency, DownloadThroughput: c.DownloadThroughput, UploadThroughput: c.UploadThroughput}
		_, err := cdp.Call(ctx, t, network.OverrideNetworkState, state)
		return err
	}))
}

// The page says what the network does, and goes on as soon as it can.
func TestShopNetworks(t *testing.T) {
	t.Parallel()
	a := start(t, withLimits(server.Limits{InFlight: 8}))
	d := a.behindDoor(t)
	b := startShop(t)

	// On a slow network, the places of the films are there before the films.
	arrived, let := make(chan time.Time, 10), make(chan struct{})
	d.guard(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/films" {
			arrived <- time.Now()
			select {
			case <-let:
			case <-r.Context().Done():
			}
		}
		return false
	})
	b.connect(slow)
	b.visit(d.URL + "/")
	b.receive(arrived, "the search")
	b.at("status", "").wantText("Searching")
	if n := see(b, chromedp.Evaluate[int](waiting)); n < 6 {
		t.Errorf("%d places are shown", n)
	}
	b.screenshot("shop-slow")
	b.until("a movement", func() (bool, error) {
		return see(b, chromedp.Evaluate[bool](`document.getAnimations().length > 0`)), nil
	})
	b.prefer("light") // and reduced motion
	b.until("no movement", func() (bool, error) {
		return see(b, chromedp.Evaluate[bool](`document.getAnimations().length === 0`)), nil
	})
	close(let)
	b.results().at("status", "").wantText("films")
	b.at("checkbox", "Comedy").wait()
	b.wantStill("a slow network")
	d.guard(nil)
	b.connect(wired)

	// Without a network, the page waits for it.
	b.excuse("ERR_INTERNET_DISCONNECTED")
	b.connect(none)
	b.at("checkbox", "Comedy").click()
	b.results().at("alert", "").wantText("You are offline")
	b.screenshot("shop-offline")
	b.connect(wired)
	comedies := list(t, a, `SELECT title`+ofFilm+`WHERE c.name = 'Comedy' ORDER BY film_id LIMIT 24`)
	b.films().wantNames(comedies, true)

	// The network may come back while the page is about to say that it is gone.
	see(b, chromedp.Evaluate[bool](backAtOnce))
	b.at("checkbox", "Horror").click()
	b.until("another attempt", func() (bool, error) { return see(b, chromedp.Evaluate[bool](`fetch.attempts === 2`)), nil })
	b.at("checkbox", "Horror").click()
	b.films().wantNames(comedies, true)

	// A server that cannot be reached is tried again when the reader says so.
	b.excuse("ERR_EMPTY_RESPONSE")
	b.excuse("ERR_CONNECTION_RESET")
	d.guard(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
	b.at("checkbox", "Comedy").click()
	b.results().at("alert", "").wantText("The server cannot be reached")
	d.guard(nil)
	b.results().at("button", "Try again").click()
	b.results().at("status", "").wantText("films")

	// An overloaded server is tried again by itself, after the time that it asks for.
	b.excuse("status of 503")
	server.Fill(a.server)
	b.at("checkbox", "Comedy").click()
	b.results().at("alert", "").wantText("busy")
	b.results().wantText("Trying again in")
	b.screenshot("shop-busy")
	server.Free(a.server)
	b.films().wantNames(comedies, true)

	// So is one that asks for a long time, and meanwhile the wait counts down.
	b.excuse("status of 429")
	d.guard(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/films" {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return r.URL.Path == "/films"
	})
	b.at("checkbox", "Horror").click()
	b.results().wantSeconds("Trying again in", 1801, 3600)
	b.skip(30 * time.Minute)
	b.results().wantSeconds("Trying again in", 1, 1800)
	d.take("")
	b.skip(time.Hour)
	b.until("another attempt", func() (bool, error) { return len(d.take("GET /films?")) > 0, nil })
	d.guard(nil)
	b.results().at("button", "Try again").click()
	b.results().at("status", "").wantText("films")

	// At the counter, a login that has failed has changed nothing, and a search that has failed has no results.
	b.connect(none)
	b.turnTo("#/counter")
	b.logsIn("secret")
	b.at("alert", "").wantText("You are offline Try again.")
	b.connect(wired)
	b.at("button", "Log in").click()
	b.at("status", "").wantText("customers")
	b.connect(none)
	b.at("searchbox", "Name, email address or number").fill("a")
	b.at("status", "").wantText("No results")
	b.connect(wired)
	b.at("status", "").wantText("customers")
	b.wantCleanConsole(d.URL, 10)
}

// backAtOnce takes the network from the page, and gives it back as soon as the page says that it is offline. The
// observer runs before ordinary effects, so an effect that listens only then misses the event.
const backAtOnce = `(() => {
	const network = fetch;
	let isOnline = false;
	Object.defineProperty(navigator, "onLine", { configurable: true, get: () => isOnline });
	fetch = (...request) => {
		fetch.attempts++;
		return isOnline ? network(...request) : Promise.reject(new TypeError("Failed to fetch"));
	};
	fetch.attempts = 0;
	new MutationObserver((_, observer) => {
		if (document.body.textContent.includes("You are offline")) {
			observer.disconnect();
			isOnline = true;
			delete navigator.onLine;
			dispatchEvent(new Event("online"));
		}
	}).observe(document.body, { childList: true, characterData: true, subtree: true });
	return true;
})()`

// The page is there while the server starts, says so, and shows the films when the server is ready.
func TestShopStarting(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	a := startOn(t, url, func(d *server.Deps) { d.Store = nil })
	a.server.Starting("baking a cake")
	b := startShop(t)
	b.excuse("status of 503")
	b.visit(a.URL + "/")
	b.results().at("alert", "").wantText("The server is starting: baking a cake.")
	b.screenshot("shop-starting")
	st, err := store.Open(pgtest.AsServer(t, url), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	a.server.Ready(st)
	b.skip(time.Minute)
	b.films().wantNames(list(t, a, `SELECT title FROM film ORDER BY film_id LIMIT 24`), true)
	b.at("checkbox", "Comedy").wait()
	b.wantCleanConsole(a.URL, 5)
}

// The page works behind a prefix that a proxy strips.
func TestShopBehindPrefix(t *testing.T) {
	t.Parallel()
	c := newCounterCase(t, start(t))
	b := startShop(t)
	search := strings.ToLower(c.title)
	var found []string
	for _, f := range decode[gen.FilmPage](t, c.get(t, "/films?page_size=24&q="+url.QueryEscape(search)).want(t, 200)).Items {
		found = append(found, f.Title)
	}
	for _, prefix := range prefixes {
		base := c.proxied(t, prefix)
		b.visit(base + "/?utm_source=x")
		b.search().fill(search)
		b.films().wantNames(found, false) // until then, the film is in a list that is about to be replaced
		b.results().at("link", c.title).click()
		b.at("heading", c.title).wait()
		b.at("link", "Ask about this film").click()
		b.answer("What is "+c.title+" about?").at("status", "").wantText("The answer is complete")
		b.at("link", "Counter").click()
		b.logsIn("secret")
		b.wantShown("Logged in as somebody")
		b.turnTo("#/counter/customers/1")
		b.rental().at("radio", "This copy").click()
		b.rental().at("spinbutton", "Number of the copy").fill(strconv.Itoa(int(copyInStock(t, c.testAPI))))
		b.rental().at("spinbutton", "Member of staff").fill("1")
		b.rental().at("button", "Rent").click()
		b.rental().wantText("Rented ")
		b.at("navigation", "Views").at("link", "API").click()
		b.do(chromedp.WaitVisible(chromedp.CSS(".opblock")))
		b.wantCleanConsole(base, 20)
	}
}
