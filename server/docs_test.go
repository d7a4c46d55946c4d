package server_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server/internal/contract"
)

// A newcomer uses Swagger UI in a real browser: reads the page, logs in, and executes operations with the
// unchanged examples. DOCS_SCREENSHOTS is a directory for screenshots.
func TestDocsInBrowser(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	a := start(t, withDocumentedCredentials)

	b.do(chromedp.Navigate(a.URL+"/docs"), chromedp.WaitVisible(chromedp.CSS(".opblock")))
	b.screenshot("1-first-sight")
	shown := b.text(".swagger-ui .info .title")
	if doc := loadContract(t); !strings.Contains(shown, doc.Info.Title) {
		t.Errorf("the title is %q", shown)
	} else {
		operations := 0
		for _, o := range contract.Operations(doc) {
			operations++
			summary := b.text(operation(o.Spec().Tags[0], o.ID) + " .opblock-summary")
			for _, want := range []string{o.Method, o.Path, o.Spec().Summary} {
				if !strings.Contains(summary, want) {
					t.Errorf("%s is shown as %q, without %q", o.ID, summary, want)
				}
			}
		}
		if got := see(b, chromedp.Evaluate[int]("document.querySelectorAll('.opblock').length")); got != operations {
			t.Errorf("the page has %d operations, the contract %d", got, operations)
		}
	}

	b.logIn("2-authorize")
	b.screenshot("3-logged-in")
	b.do(chromedp.Click(dialog+" button.btn-done"), chromedp.WaitNotPresent(dialog))

	var page gen.FilmPage
	if b.execute(operation("Films", "listFilms"), "200", &page); len(page.Items) == 0 && hasExampleFilm(t, a) {
		t.Error("no films are shown")
	}
	b.screenshot("4-films")

	var rental gen.Rental
	b.execute(operation("Rentals", "createRental"), "201", &rental)
	b.screenshot("5-rental")
	if !one[bool](t, a, `SELECT EXISTS (SELECT FROM rental WHERE rental_id = ? AND inventory_id = 1 AND customer_id = 1)`, rental.RentalID) {
		t.Errorf("there is no rental %d", rental.RentalID)
	}

	ask := operation("AI", "askQuestion")
	b.execute(ask, "200", nil)
	if got := b.text(ask + ` .opblock-description a[href="./#/ask"]`); got != "The shop page" {
		t.Errorf("the link to the shop page is %q", got)
	}
	b.screenshot("6-ask")
	if got := b.text(ask + " .live-responses-table .response .microlight"); !strings.Contains(got, "PG") {
		t.Errorf("the answer is %q", got)
	}

	var summary gen.FilmSummary
	b.execute(operation("AI", "summarizeFilm"), "200", &summary)
	b.screenshot("7-summary")
	if want := one[string](t, a, `SELECT title FROM film WHERE film_id = 1`); summary.Title != want {
		t.Errorf("the summary is %+v, want %s", summary, want)
	}

	// The page, its four files, the contract, the token and four operations, less what may be cached.
	b.wantCleanConsole(a.URL, 9)
}

// dialog is the dialog to log in.
const dialog = chromedp.CSS(".dialog-ux .modal-ux")

// logIn opens the dialog, takes a screenshot, and logs in with the documented user name and password.
func (b *browser) logIn(picture string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(".auth-wrapper button.authorize")), chromedp.WaitVisible(dialog))
	b.screenshot(picture)
	b.do(
		chromedp.SendKeys(dialog+" #oauth_username", documented.Username),
		chromedp.SendKeys(dialog+" #oauth_password", documented.Password),
		chromedp.Click(dialog+" .auth-container:has(#oauth_username) button.authorize"),
		chromedp.WaitVisible(dialog+` .auth-container button[aria-label="Remove authorization"]`), // the button to log out
	)
}

// operation is the selector of an operation on the page.
func operation(tag, id string) chromedp.CSS { return chromedp.CSS("#operations-" + tag + "-" + id) }

// execute opens an operation, executes it unchanged, and checks the status of the response. It decodes the
// JSON of the response into v, unless that is nil.
func (b *browser) execute(operation chromedp.CSS, status string, v any) {
	b.t.Helper()
	response := operation + " .live-responses-table .response"
	b.press(operation + " .opblock-summary-control")
	b.do(chromedp.WaitVisible(operation + " .responses-table")) // until then the page still resolves references
	b.press(operation + " button.execute")
	b.do(chromedp.WaitVisible(response), chromedp.ScrollIntoView(response))
	if got := strings.TrimSpace(b.text(response + " .response-col_status")); got != status {
		b.t.Fatalf("%s: the status is %q, want %s: %s", operation, got, status, b.text(response))
	}
	if v != nil {
		if err := json.Unmarshal([]byte(b.text(response+" .microlight")), v); err != nil {
			b.t.Errorf("%s shows %s: %v", operation, b.text(response), err)
		}
	}
}

// hasExampleFilm reports whether the database has the film that the examples of the parameters describe. The page fills
// them in. The built-in sample has no such film.
func hasExampleFilm(t *testing.T, a *testAPI) bool {
	t.Helper()
	return one[bool](t, a, `SELECT EXISTS (SELECT FROM film WHERE title = 'ACADEMY DINOSAUR')`)
}
