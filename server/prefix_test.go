package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"example.com/pagila-api/gen"
)

// proxied puts a proxy in front of the server that strips a prefix, and returns the URL with the prefix.
func (a *testAPI) proxied(t *testing.T, prefix string) string {
	t.Helper()
	target, err := url.Parse(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", http.StripPrefix(prefix, httputil.NewSingleHostReverseProxy(target)))
	proxy := httptest.NewServer(mux)
	t.Cleanup(proxy.Close)
	return proxy.URL + prefix
}

var prefixes = []string{"/pagila", "/shops/v2"}

// The page works behind a prefix that a proxy strips: it loads, logs in, and executes operations.
func TestDocsBehindPrefix(t *testing.T) {
	t.Parallel()
	for _, prefix := range prefixes {
		t.Run(prefix, func(t *testing.T) {
			a := start(t, withDocumentedCredentials)
			base := a.proxied(t, prefix)
			b := startBrowser(t)
			name := "prefix" + strings.ReplaceAll(prefix, "/", "-")

			b.do(chromedp.Navigate(base+"/docs?utm_source=x"), chromedp.WaitVisible(chromedp.CSS(".opblock")))
			b.logIn(name + "-1-authorize")
			b.do(chromedp.Click(dialog+" button.btn-done"), chromedp.WaitNotPresent(dialog))
			var page gen.FilmPage
			if b.execute(operation("Films", "listFilms"), "200", &page); len(page.Items) == 0 && hasExampleFilm(t, a) {
				t.Error("no films are shown")
			}
			b.screenshot(name + "-2-films")
			if shown, want := b.text(operation("Films", "listFilms")+" .request-url"), base+"/films?"; !strings.Contains(shown, want) {
				t.Errorf("the page shows the URL %q, want %s", shown, want)
			}
			var rental gen.Rental
			b.execute(operation("Rentals", "createRental"), "201", &rental)
			b.screenshot(name + "-3-rental")
			if !one[bool](t, a, `SELECT EXISTS (SELECT FROM rental WHERE rental_id = ? AND inventory_id = 1)`, rental.RentalID) {
				t.Errorf("there is no rental %d", rental.RentalID)
			}
			b.wantCleanConsole(base, 7)
		})
	}
}

// Location and the references in the contract lead to URLs behind the same prefix.
func TestBehindPrefix(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, prefix := range append(prefixes, "") {
		base := a.URL
		if prefix != "" {
			base = a.proxied(t, prefix)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/customers/1/rentals",
			strings.NewReader(fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, copyInStock(t, a))))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		rental := decode[gen.Rental](t, read(t, response).want(t, 201))
		where, err := response.Location()
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%s/customers/1/rentals/%d", base, rental.RentalID); where.String() != want {
			t.Errorf("the rental is at %s, want %s", where, want)
		}
		r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, where.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		if response, err = http.DefaultClient.Do(r); err != nil {
			t.Fatal(err)
		}
		if got := decode[gen.Rental](t, read(t, response).want(t, 200)); got.RentalID != rental.RentalID {
			t.Errorf("Location leads to the rental %d", got.RentalID)
		}

		document, err := url.Parse(base + "/openapi.yaml")
		if err != nil {
			t.Fatal(err)
		}
		doc := loadContract(t)
		server, err := document.Parse(doc.Servers[0].URL)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSuffix(server.String(), "/"); got != base {
			t.Errorf("the contract's server is %s, want %s", got, base)
		}
		tokenURL, err := server.Parse(doc.Components.SecuritySchemes["oauth2"].Value.Flows.Password.TokenURL)
		if err != nil {
			t.Fatal(err)
		}
		login, err := http.PostForm(tokenURL.String(), url.Values{"grant_type": {"password"}, "username": {"somebody"}, "password": {"secret"}})
		if err != nil {
			t.Fatal(err)
		}
		read(t, login).want(t, 200)
	}
}
