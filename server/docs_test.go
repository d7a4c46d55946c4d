package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server/internal/contract"
)

// docsTimeout limits a visit of the browser, which takes about 10 s on an idle machine.
const docsTimeout = 5 * time.Minute

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
	if b.execute(operation("Films", "listFilms"), "200", &page); len(page.Items) == 0 {
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

// browser is a headless Chromium for one test. It records errors in the console and requests.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
	requests   []string
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(findChromium(t)),
		chromedp.Headless,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.WindowSize(1200, 1000),
		chromedp.Flag("disable-quic", true),
		// Nothing but the page may use the network.
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		// A container's /dev/shm may be too small.
		chromedp.Flag("disable-dev-shm-usage", true),
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to run as root with it
	}
	ctx, cancel := context.WithTimeout(t.Context(), docsTimeout)
	t.Cleanup(cancel)
	// The profile is a new directory that is removed when the browser has ended.
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)

	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.listen); err != nil { // starts the browser
		t.Fatal(err)
	}
	return b
}

// findChromium returns the program in the variable CHROMIUM, or one in the usual places.
func findChromium(t *testing.T) string {
	t.Helper()
	if program := os.Getenv("CHROMIUM"); program != "" {
		return program
	}
	for _, name := range []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless-shell",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
		"/Applications/Chromium.app/Contents/MacOS/Chromium",
	} {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	t.Skip("this needs Chromium or Chrome, and there is none: install it, or set CHROMIUM to the program")
	return ""
}

// listen records the requests of the page, and the errors that the browser reports.
func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *network.EventWebSocketCreated:
		b.requests = append(b.requests, e.URL)
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, fmt.Sprintf("%+v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			var text strings.Builder
			for _, arg := range e.Args {
				fmt.Fprintf(&text, " %s%s", arg.Value, arg.Description)
			}
			b.complaints = append(b.complaints, fmt.Sprintf("console.%s:%s", e.Type, &text))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.complaints = append(b.complaints, fmt.Sprintf("%s: %s (%s)", e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	}
}

// wantCleanConsole checks that the console is clean, and that the page sent at least this many requests, all of
// them to this server.
func (b *browser) wantCleanConsole(server string, least int) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, complaint := range b.complaints {
		b.t.Errorf("the browser reports: %s", complaint)
	}
	asked := 0
	for _, url := range b.requests {
		switch {
		case strings.HasPrefix(url, server+"/"):
			asked++
		case !strings.HasPrefix(url, "data:"):
			b.t.Errorf("the page sends a request elsewhere: %s", url)
		}
	}
	if asked < least {
		b.t.Errorf("the page sent only %d requests: %v", asked, b.requests)
	}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// see runs an action that returns a value.
func see[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// text returns the visible text of the first element that matches a selector.
func (b *browser) text(selector chromedp.CSS) string {
	b.t.Helper()
	return see(b, chromedp.Text(selector))
}

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

// press presses a button once it is visible. The page scrolls to what opens, and the mouse may miss a moving
// button.
func (b *browser) press(button chromedp.CSS) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(button))
	see(b, chromedp.Evaluate[bool](fmt.Sprintf("document.querySelector(%q).click() ?? true", string(button))))
}

// screenshot writes a screenshot to the directory in DOCS_SCREENSHOTS, if that is set.
func (b *browser) screenshot(name string) {
	b.t.Helper()
	folder := os.Getenv("DOCS_SCREENSHOTS")
	if folder == "" {
		return
	}
	picture := see(b, chromedp.CaptureScreenshot())
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
