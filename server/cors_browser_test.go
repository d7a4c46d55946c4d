package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"example.com/pagila-api/server"
)

// foreignPage is a page that uses the API from another origin, and shows the results.
const foreignPage = `<!doctype html>
<title>A page of another origin</title>
<h1>A page of another origin</h1>
<script type="module">
const { api, copy, token } = Object.fromEntries(new URLSearchParams(location.search));
const result = {};
const attempt = async (name, call) => { result[name] = await call().catch((error) => "blocked: " + error.name); };
const seen = (response, ...names) => ({ status: response.status, ...Object.fromEntries(names.map((n) => [n, response.headers.get(n)])) });

await attempt("films", async () => {
  const response = await fetch(api + "/films?page_size=1");
  return { ...seen(response), items: (await response.json()).items.length };
});
await attempt("rental", async () => {
  const response = await fetch(api + "/customers/1/rentals", {
    method: "POST",
    headers: { Authorization: "Bearer " + token, "Content-Type": "application/json", "X-Request-ID": "from-a-page", traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" },
    body: JSON.stringify({ inventory_id: Number(copy), staff_id: 1 }),
  });
  const { rental_id } = await response.json();
  return { ...seen(response, "X-Request-ID"), location: response.headers.get("Location") === "rentals/" + rental_id };
});
await attempt("missing", async () => {
  const response = await fetch(api + "/films/2147483647");
  return { ...seen(response), code: (await response.json()).code };
});
await attempt("anonymous", async () => seen(await fetch(api + "/customers/1/rentals/1"), "WWW-Authenticate"));
await attempt("ask", async () => {
  const response = await fetch(api + "/ai/ask?question=comedies");
  return { ...seen(response, "X-AI-Provider"), sources: response.headers.has("X-AI-Sources"), whole: (await response.text()).length > 20 };
});
await attempt("events", () => new Promise((resolve, reject) => {
  const events = [];
  const source = new EventSource(api + "/ai/ask?question=comedies");
  for (const name of ["sources", "delta", "done"]) {
    source.addEventListener(name, () => { if (events.at(-1) !== name) events.push(name); });
  }
  // After the end it connects again, and is told to stop.
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) events.length ? resolve(events.join()) : reject(new TypeError()); };
}));
await attempt("limited", async () => {
  const response = await fetch(api + "/ai/ask?question=comedies");
  return { ...seen(response), wait: Number(response.headers.get("Retry-After")) > 0 };
});
const shown = document.createElement("pre");
shown.id = "result";
shown.textContent = JSON.stringify(result, null, 1);
document.body.append(shown);
</script>`

// A page of an allowed origin can use the whole API in a real browser. A page of another origin can read
// nothing.
func TestForeignPage(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, foreignPage)
	})
	listed, unlisted := httptest.NewServer(page), httptest.NewServer(page)
	t.Cleanup(listed.Close)
	t.Cleanup(unlisted.Close)
	a := start(t, withOrigins(listed.URL), func(d *server.Deps) { d.Limits.PerMinute = 2 }) // questions of the page
	b := startBrowser(t)
	visit := func(from *httptest.Server) (result map[string]any) {
		query := url.Values{"api": {a.URL}, "token": {token}, "copy": {strconv.Itoa(int(copyInStock(t, a)))}}
		b.do(chromedp.Navigate(from.URL+"/?"+query.Encode()), chromedp.WaitVisible(chromedp.CSS("#result")))
		if err := json.Unmarshal([]byte(b.text("#result")), &result); err != nil {
			t.Fatal(err)
		}
		return result
	}
	rentals := func() int { return one[int](t, a, `SELECT count(*) FROM rental`) }

	before := rentals()
	for name, got := range visit(unlisted) {
		if got != "blocked: TypeError" {
			t.Errorf("another origin, %s: %v", name, got)
		}
	}
	b.screenshot("origin-unlisted")
	if rentals() != before {
		t.Error("a page of another origin has rented a copy")
	}

	a = start(t, withOrigins(listed.URL), func(d *server.Deps) { d.Limits.PerMinute = 2 })
	before = rentals()
	got, want := visit(listed), map[string]any{
		"films":     map[string]any{"status": 200., "items": 1.},
		"rental":    map[string]any{"status": 201., "X-Request-ID": "from-a-page", "location": true},
		"missing":   map[string]any{"status": 404., "code": "film_not_found"},
		"anonymous": map[string]any{"status": 401., "WWW-Authenticate": `Bearer realm="pagila"`},
		"ask":       map[string]any{"status": 200., "X-AI-Provider": "offline", "sources": true, "whole": true},
		"events":    "sources,delta,done",
		"limited":   map[string]any{"status": 429., "wait": true},
	}
	b.screenshot("origin-listed")
	for name := range want {
		if fmt.Sprint(got[name]) != fmt.Sprint(want[name]) {
			t.Errorf("allowed origin, %s: %v, want %v", name, got[name], want[name])
		}
	}
	if rentals() != before+1 {
		t.Errorf("there are %d new rentals, want one", rentals()-before)
	}
	// The browser reconnected after the end of the stream, and got one 204.
	if n := strings.Count(a.log.String(), `"operation":"askQuestion","method":"GET","path":"/ai/ask","status":204`); n != 1 {
		t.Errorf("the EventSource was stopped %d times", n)
	}
}
