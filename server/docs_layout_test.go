package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// faint lists the texts of the page with a contrast of less than 4.5:1 (WCAG 2, 1.4.3), or 3:1 for large text.
// Disabled elements do not count.
const faint = `(() => {
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const rgba = (text) => { const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a)];
  const base = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  const behind = (element) => {
    if (!element) return base;
    const colour = rgba(getComputedStyle(element).backgroundColor);
    return colour[3] === 1 ? colour : over(colour, behind(element.parentElement));
  };
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), element = walker.currentNode.parentElement;
    const style = getComputedStyle(element);
    if (!text || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || element.closest("script, style, [disabled]")) continue;
    const back = behind(element), front = over(rgba(style.color), back);
    const [light, dark] = [luminance(front), luminance(back)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < (large ? 3 : 4.5)) found.add(contrast.toFixed(1) + " " + element.tagName + "." + element.className + ": " + text.slice(0, 40));
  }
  return [...found].join("\n");
})()`

// The page is readable on any screen, in light and dark mode: it never scrolls sideways, and all texts have
// enough contrast.
func TestDocsLayout(t *testing.T) {
	t.Parallel()
	a := start(t, withDocumentedCredentials)
	b := startBrowser(t)
	look := func(what string) {
		t.Helper()
		for _, width := range []int64{320, 390, 768, 1280} {
			b.do(chromedp.EmulateViewport(width, 844))
			name := fmt.Sprintf("%s, %d wide", what, width)
			if wide := see(b, chromedp.Evaluate[string](sideways)); wide != "" {
				t.Errorf("%s: the page scrolls sideways: %s", name, wide)
			}
			for _, scheme := range []string{"light", "dark"} {
				b.prefer(scheme)
				if bad := see(b, chromedp.Evaluate[string](faint)); bad != "" {
					t.Errorf("%s, %s: too little contrast:\n%s", name, scheme, bad)
				}
				b.screenshot(fmt.Sprintf("layout-%s-%d-%s", strings.ReplaceAll(what, " ", "-"), width, scheme))
			}
		}
	}
	b.do(chromedp.Navigate(a.URL+"/docs"), chromedp.WaitVisible(chromedp.CSS(".opblock")))
	look("first sight")
	b.do(chromedp.Click(chromedp.CSS(".auth-wrapper button.authorize")), chromedp.WaitVisible(dialog))
	look("authorize")
	b.do(chromedp.Click(dialog+" .modal-ux-header button"), chromedp.WaitNotPresent(dialog))

	b.execute(operation("Films", "listFilms"), "200", nil)
	look("films")
	b.execute(operation("AI", "askQuestion"), "200", nil)
	look("answer")
	// All operations at once.
	see(b, chromedp.Evaluate[bool](`document.querySelectorAll(".opblock:not(.is-open) .opblock-summary-control").forEach((e) => e.click()) ?? true`))
	b.do(chromedp.WaitVisible(operation("Contract", "getDocsAsset") + " .responses-table"))
	look("all")
	b.do(chromedp.ScrollIntoView(operation("Rentals", "createRental") + " .responses-table"))
	look("responses")
}
