package server_test

import (
	"context"
	"os"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// observePaints records what Lighthouse calls First Contentful Paint, Largest Contentful Paint and Total Blocking Time.
const observePaints = `window.paints = { largest: 0, tasks: [] };
new PerformanceObserver((list) => list.getEntries().forEach(({ startTime }) => (paints.largest = startTime))).observe({ type: "largest-contentful-paint", buffered: true });
new PerformanceObserver((list) => list.getEntries().forEach(({ startTime, duration }) => paints.tasks.push({ startTime, duration }))).observe({ type: "longtask", buffered: true });`

const figures = `(() => {
  const first = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0;
  const loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return {
    first, largest: paints.largest,
    blocking: paints.tasks.filter(({ startTime }) => startTime >= first).reduce((sum, { duration }) => sum + Math.max(0, duration - 50), 0),
    shift: shifts.reduce((sum, { value }) => sum + value, 0),
    bytes: loaded.reduce((sum, { transferSize }) => sum + transferSize, 0), requests: loaded.length,
    elements: document.querySelectorAll("*").length,
  };
})()`

// TestShopFigures logs how fast the page is, on this machine and on a slow telephone. The figures depend on the machine,
// so nothing is checked.
func TestShopFigures(t *testing.T) {
	if os.Getenv("SHOP_FIGURES") == "" {
		t.Skip("it only logs how fast the page is, and takes half a minute: run make docs-test")
	}
	a := start(t)
	telephone := network.Conditions{Latency: 150, DownloadThroughput: 1_638_400 / 8, UploadThroughput: 675_000 / 8}
	for name, is := range map[string]struct {
		network network.Conditions
		slower  float64
		width   int64
	}{"this machine": {wired, 1, 1350}, "a slow telephone": {telephone, 4, 412}} {
		for _, fragment := range []string{"", "#/films/1", "#/ask", "#/counter"} {
			b := startShop(t)
			b.connect(is.network)
			b.do(chromedp.EmulateViewport(is.width, 900), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
				if _, err := cdp.Call(ctx, t, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: is.slower}); err != nil {
					return err
				}
				_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: observePaints})
				return err
			}))
			b.visit(a.URL + "/" + fragment)
			b.until("a quiet network", func() (bool, error) {
				return see(b, chromedp.Evaluate[bool](`performance.getEntriesByName("first-contentful-paint").length > 0 && !document.querySelector(".skeleton, .film-skeleton") &&
					performance.getEntriesByType("resource").every(({ responseEnd }) => responseEnd > 0 && performance.now() - responseEnd > 500)`)), nil
			})
			got := see(b, chromedp.Evaluate[map[string]float64](figures))
			t.Logf("%s, /%s: first contentful paint %.0f ms, largest %.0f ms, total blocking time %.0f ms, layout shift %.4f, %.0f bytes in %.0f requests, %.0f elements",
				name, fragment, got["first"], got["largest"], got["blocking"], got["shift"], got["bytes"], got["requests"], got["elements"])
		}
	}
}
