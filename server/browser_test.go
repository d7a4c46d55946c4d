package server_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserTimeout limits the visits of one browser, which take about 10 s on an idle machine.
const browserTimeout = 5 * time.Minute

// browser is a headless Chromium for one test. It records errors in the console and requests.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
	requests   []string
	excused    [][]string
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
	ctx, cancel := context.WithTimeout(t.Context(), browserTimeout)
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
	if os.Getenv("CI") != "" {
		t.Fatal("there is no Chromium: install it, or set CHROMIUM to the program")
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

// excuse expects a complaint with all of these parts, such as the browser's own line about a response with an error.
func (b *browser) excuse(parts ...string) { b.excused = append(b.excused, parts) }

func (b *browser) isExcused(complaint string) bool {
	return slices.ContainsFunc(b.excused, func(parts []string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(complaint, part) })
	})
}

// wantCleanConsole checks that the console is clean, and that the page sent at least this many requests, all of
// them to this server, since the last check.
func (b *browser) wantCleanConsole(server string, least int) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, complaint := range b.complaints {
		if !b.isExcused(complaint) {
			b.t.Errorf("the browser reports: %s", complaint)
		}
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
	b.complaints, b.requests = nil, nil
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

// prefer sets the preferred colour scheme.
func (b *browser) prefer(scheme string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"}, // no intermediate colours
		}}
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, params)
		return err
	}))
}

// sideways lists the elements that make the page wider than the screen.
const sideways = `(() => {
  const page = document.scrollingElement;
  if (page.scrollWidth <= innerWidth) return "";
  const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && e.checkVisibility());
  return page.scrollWidth + " > " + innerWidth + ": " + wide.map((e) => e.tagName + "." + e.className).slice(-12).join("; ");
})()`
