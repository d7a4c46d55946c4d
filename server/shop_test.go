package server_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for the page, which takes milliseconds on an idle machine.
const patience = 60 * time.Second

// observeShifts adds up how far the page moves what a reader looks at, except in response to the reader (Cumulative
// Layout Shift).
const observeShifts = `window.shifts = [];
new PerformanceObserver((list) => list.getEntries().forEach((entry) => entry.hadRecentInput || shifts.push({
  value: entry.value,
  what: entry.sources.map(({ node }) => (node?.outerHTML ?? node?.data ?? "").slice(0, 80)).join("; "),
}))).observe({ type: "layout-shift", buffered: true })`

// startShop starts a browser for the shop page.
func startShop(t *testing.T) *browser {
	t.Helper()
	b := startBrowser(t)
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: observeShifts})
		return err
	}))
	return b
}

// visit opens an address in an empty tab.
func (b *browser) visit(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(url))
}

// turnTo changes the fragment in the address bar.
func (b *browser) turnTo(fragment string) {
	b.t.Helper()
	see(b, chromedp.Evaluate[bool](fmt.Sprintf("(location.hash = %q, true)", fragment)))
}

// back presses the browser's Back button.
func (b *browser) back() {
	b.t.Helper()
	see(b, chromedp.Evaluate[bool]("(history.back(), true)"))
}

// fragment is the fragment in the address bar.
func (b *browser) fragment() string {
	b.t.Helper()
	return see(b, chromedp.Evaluate[string]("location.hash"))
}

// until waits until a condition holds. An error says why it does not hold yet: the page may change meanwhile.
func (b *browser) until(what string, is func() (bool, error)) {
	b.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		ok, err := is()
		if ok {
			return
		}
		if b.ctx.Err() != nil || time.Now().After(deadline) {
			b.screenshot("failure-" + b.t.Name())
			b.t.Fatalf("not within %s: %s (%v), at %s:\n%s", patience, what, err, b.fragment(), b.shown())
		}
	}
}

// receive waits for what a channel delivers.
func (b *browser) receive(c <-chan time.Time, what string) time.Time {
	b.t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		b.t.Fatalf("not within %s: %s", patience, what)
		return time.Time{}
	}
}

// wantFragment waits for a fragment in the address bar. The order of its parameters does not matter.
func (b *browser) wantFragment(want string) {
	b.t.Helper()
	b.until("the address "+want, func() (bool, error) {
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("location.hash"))
		return err == nil && sorted(got) == sorted(want), err
	})
}

// sorted sorts the parameters of a fragment.
func sorted(fragment string) string {
	path, query, _ := strings.Cut(fragment, "?")
	pairs := strings.Split(query, "&")
	slices.Sort(pairs)
	return path + "?" + strings.Join(pairs, "&")
}

// shown is the text that a person sees on the page, with a blank for each line break.
func (b *browser) shown() string {
	b.t.Helper()
	return strings.Join(strings.Fields(see(b, chromedp.Evaluate[string]("document.body.innerText"))), " ")
}

// wantShown waits until the page shows texts.
func (b *browser) wantShown(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		b.until(fmt.Sprintf("the text %q", text), func() (bool, error) { return strings.Contains(b.shown(), text), nil })
	}
}

// wantStill checks that the page has moved nothing except in response to the reader, since it was loaded.
func (b *browser) wantStill(what string) {
	b.t.Helper()
	type shift struct {
		Value float64
		What  string
	}
	sum := 0.0
	all := see(b, chromedp.Evaluate[[]shift]("window.shifts"))
	for _, s := range all {
		sum += s.Value
	}
	if sum > 0.01 {
		b.t.Errorf("%s: the layout shifts by %.3f: %+v", what, sum, all)
	}
}

// element is a part of the page as a person finds it: by its role and its name, as the browser computes them for a
// screen reader.
type element struct {
	b          *browser
	role, name string
	isPart     bool     // the name is only a part of the element's
	in         *element // it is looked for in there, or in the whole page
}

// at returns the element with a role, and a name unless that is "".
func (b *browser) at(role, name string) element { return element{b: b, role: role, name: name} }

// at returns an element within this one.
func (e element) at(role, name string) element {
	return element{b: e.b, role: role, name: name, in: &e}
}

// like returns an element by a part of its name.
func (b *browser) like(role, part string) element {
	return element{b: b, role: role, name: part, isPart: true}
}

// like returns an element within this one by a part of its name.
func (e element) like(role, part string) element {
	return element{b: e.b, role: role, name: part, isPart: true, in: &e}
}

func (e element) String() string {
	if e.in == nil {
		return fmt.Sprintf("%s %q", e.role, e.name)
	}
	return fmt.Sprintf("%s %q in %s", e.role, e.name, e.in)
}

// nodes returns the elements that match now, and that a screen reader would read.
func (e element) nodes(ctx context.Context, t *chromedp.Target) ([]*accessibility.Node, error) {
	query := accessibility.QueryAXTreeParams{Role: e.role}
	if !e.isPart {
		query.AccessibleName = e.name
	}
	if e.in == nil {
		root, err := cdp.Call(ctx, t, runtime.Evaluate, runtime.EvaluateParams{Expression: "document"})
		if err != nil {
			return nil, err
		}
		query.ObjectID = root.Result.ObjectID
	} else {
		outer, err := e.in.only(ctx, t)
		if err != nil {
			return nil, err
		}
		query.BackendNodeID = outer.BackendDOMNodeID
	}
	found, err := cdp.Call(ctx, t, accessibility.QueryAXTree, query)
	return slices.DeleteFunc(found.Nodes, func(n *accessibility.Node) bool {
		return n.Ignored || e.isPart && !strings.Contains(textOfValue(n.Name), e.name)
	}), err
}

// only returns the element if there is exactly one.
func (e element) only(ctx context.Context, t *chromedp.Target) (*accessibility.Node, error) {
	found, err := e.nodes(ctx, t)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("there are %d of %s", len(found), e)
	}
	return found[0], nil
}

// on calls a JavaScript function on the element.
func on[T any](e element, function string) (T, error) {
	return chromedp.Run(e.b.ctx, func(ctx context.Context, t *chromedp.Target) (T, error) {
		var zero T
		node, err := e.only(ctx, t)
		if err != nil {
			return zero, err
		}
		object, err := cdp.Call(ctx, t, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: node.BackendDOMNodeID})
		if err != nil {
			return zero, err
		}
		return chromedp.CallFunctionOn[T](function, func(p *runtime.CallFunctionOnParams) {
			p.ObjectID, p.AwaitPromise = object.Object.ObjectID, new(true)
		})(ctx, t)
	})
}

// of waits for the element, and returns what a JavaScript function returns for it.
func of[T any](e element, function string) (v T) {
	e.b.t.Helper()
	e.b.until(e.String(), func() (ok bool, err error) {
		v, err = on[T](e, function)
		return err == nil, err
	})
	return v
}

// wait waits until there is exactly one such element.
func (e element) wait() { e.b.t.Helper(); of[bool](e, "function() { return true }") }

// gone waits until there is no such element.
func (e element) gone() {
	e.b.t.Helper()
	e.b.until("the end of "+e.String(), func() (bool, error) { return e.count() == 0, nil })
}

// count is the number of such elements now.
func (e element) count() int { e.b.t.Helper(); return len(see(e.b, e.nodes)) }

// text is the visible text of the element.
func (e element) text() string {
	e.b.t.Helper()
	return of[string](e, "function() { return this.innerText }")
}

// wantText waits until the element has a text in it.
func (e element) wantText(want string) {
	e.b.t.Helper()
	e.b.until(fmt.Sprintf("%q in %s", want, e), func() (bool, error) {
		got, err := on[string](e, "function() { return this.innerText }")
		return err == nil && strings.Contains(strings.Join(strings.Fields(got), " "), want), err
	})
}

// names are the names of the elements that match now, in their order.
func (e element) names() []string {
	e.b.t.Helper()
	var names []string
	for _, n := range see(e.b, e.nodes) {
		names = append(names, textOfValue(n.Name))
	}
	return names
}

// wantNames waits until these are the names of the elements, or those of the first ones with begin.
func (e element) wantNames(want []string, begin bool) {
	e.b.t.Helper()
	e.b.until("the names of "+e.String(), func() (bool, error) {
		got := e.names()
		if begin && len(got) > len(want) {
			got = got[:len(want)]
		}
		return slices.Equal(got, want), fmt.Errorf("got %q, want %q", got, want)
	})
}

// middle is the middle of an element if a click there reaches it: nothing covers it, and it does not move.
const middle = `async function() {
  const { left, right, top, bottom } = this.getBoundingClientRect();
  if (top < 0 || left < 0 || bottom > innerHeight || right > innerWidth) this.scrollIntoView({ block: "center", behavior: "instant" });
  const point = () => {
    const [box] = this.getClientRects();
    return box ? [box.left + box.width / 2, box.top + box.height / 2] : [];
  };
  const before = point();
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const [x, y] = point();
  return x === before[0] && y === before[1] && this.contains(document.elementFromPoint(x, y)) ? [x, y] : [];
}`

// click clicks the element with the mouse.
func (e element) click() {
	e.b.t.Helper()
	e.b.until("a click on "+e.String(), func() (bool, error) {
		point, err := on[[]float64](e, middle)
		if err != nil || len(point) != 2 {
			return false, err
		}
		err = chromedp.Do(e.b.ctx, chromedp.MouseClickXY(point[0], point[1]))
		return err == nil, err
	})
}

// fill replaces what is in a field.
func (e element) fill(text string) {
	e.b.t.Helper()
	of[bool](e, "function() { this.focus(); this.select?.(); return true }")
	e.b.insert(text)
}

// insert inserts a text where the cursor is, as an input method does.
func (b *browser) insert(text string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
		return err
	}))
}

// choose chooses an option of a select box.
func (e element) choose(option string) {
	e.b.t.Helper()
	e.b.until(fmt.Sprintf("%q in %s", option, e), func() (bool, error) {
		return on[bool](e, fmt.Sprintf(`function() {
		  const option = [...this.options].find(({ text }) => text.trim() === %q);
		  if (!option) return false;
		  this.value = option.value;
		  return this.dispatchEvent(new Event("input", { bubbles: true })) && this.dispatchEvent(new Event("change", { bubbles: true }));
		}`, option))
	})
}

// focused returns the role and the name of the element with the focus.
func (b *browser) focused() (role, name string) {
	b.t.Helper()
	node := see(b, func(ctx context.Context, t *chromedp.Target) (*accessibility.Node, error) {
		active, err := cdp.Call(ctx, t, runtime.Evaluate, runtime.EvaluateParams{Expression: "document.activeElement"})
		if err != nil {
			return nil, err
		}
		tree, err := cdp.Call(ctx, t, accessibility.GetPartialAXTree, accessibility.GetPartialAXTreeParams{ObjectID: active.Result.ObjectID, FetchRelatives: new(false)})
		if err != nil || len(tree.Nodes) == 0 {
			return nil, fmt.Errorf("no element has the focus: %w", err)
		}
		return tree.Nodes[0], nil
	})
	return textOfValue(node.Role), textOfValue(node.Name)
}

// textOfValue is a role or a name as a string.
func textOfValue(v *accessibility.Value) string {
	var text string
	if v == nil || json.Unmarshal(v.Value, &text) != nil {
		return ""
	}
	return strings.TrimSpace(text)
}

// wantFocus waits until an element has the focus.
func (b *browser) wantFocus(role, name string) {
	b.t.Helper()
	b.until("the focus", func() (bool, error) {
		gotRole, gotName := b.focused()
		return role == gotRole && name == gotName, fmt.Errorf("it is on the %s %q, not on the %s %q", gotRole, gotName, role, name)
	})
}

// keys presses keys.
func (b *browser) keys(keys string) { b.t.Helper(); b.do(chromedp.KeyEvent(keys)) }

// door is a server in front of another, through which a test sees, holds and answers the page's requests.
type door struct {
	*httptest.Server
	mu   sync.Mutex
	rule func(http.ResponseWriter, *http.Request) bool
	seen []string
}

func (a *testAPI) behindDoor(t *testing.T) *door {
	t.Helper()
	d := &door{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		d.seen = append(d.seen, r.Method+" "+r.URL.RequestURI())
		rule := d.rule
		d.mu.Unlock()
		if rule == nil || !rule(w, r) {
			a.Config.Handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(d.Close)
	return d
}

// guard sets a function that may answer a request itself. Nil lets all requests pass.
func (d *door) guard(rule func(http.ResponseWriter, *http.Request) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rule = rule
}

// take returns the requests since the last call whose method and target begin like this, and forgets all.
func (d *door) take(prefix string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.seen
	d.seen = nil
	return slices.DeleteFunc(all, func(r string) bool { return !strings.HasPrefix(r, prefix) })
}

// list returns the strings that a query selects.
func list(t *testing.T, a *testAPI, query string, args ...any) []string {
	t.Helper()
	var all []string
	text := one[string](t, a, `SELECT COALESCE(json_agg(value), '[]')::text FROM (`+query+`) AS q (value)`, args...)
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// The page is small, has a strict policy, and works with a HEAD request. TestAcceptIndex and the happy paths of getIndex
// and getShopAsset test the rest.
func TestShopFiles(t *testing.T) {
	t.Parallel()
	a := start(t)
	page := a.get(t, "/", "Accept", browserAccept).want(t, 200)
	page.wantPagePolicy(t)
	size := len(page.body)
	for file := range shopFiles {
		asset := a.get(t, "/shop/"+file).want(t, 200)
		asset.wantPagePolicy(t)
		size += len(asset.body)
		head := a.call(t, http.MethodHead, "/shop/"+file, "").want(t, 200)
		if len(head.body) != 0 || head.header.Get("Content-Type") != asset.header.Get("Content-Type") {
			t.Errorf("HEAD /shop/%s: %v", file, head.header)
		}
		// Only a name with the right hash may be cached: another version of the server has other files.
		name := hashedName(t, page, file)
		hashed := a.get(t, "/shop/"+name).want(t, 200)
		if !bytes.Equal(hashed.body, asset.body) {
			t.Errorf("%s is not %s", name, file)
		}
		hash := fmt.Sprintf("%.6x", sha256.Sum256(asset.body))
		if !strings.Contains(name, hash) {
			t.Errorf("%s has no hash %s", name, hash)
		}
		unknown := a.get(t, "/shop/"+strings.Replace(name, hash, "0123456789ab", 1)).want(t, 404)
		for response, want := range map[*received]string{asset: "no-store", hashed: "public, max-age=3600", unknown: "no-store"} {
			if got := response.header.Get("Cache-Control"); got != want {
				t.Errorf("%s: Cache-Control is %q, want %q", file, got, want)
			}
		}
	}
	t.Logf("the page and its files have %d bytes", size)
	if size >= 100_000 {
		t.Errorf("the page and its files have %d bytes, want less than 100,000", size)
	}
	for _, forbidden := range []string{" style=", "<style", "javascript:", " onclick=", "http://", "https://"} {
		if strings.Contains(string(page.body), forbidden) {
			t.Errorf("the page contains %q", forbidden)
		}
	}
	script := string(a.get(t, "/shop/shop.js").body)
	for _, forbidden := range []string{"eval(", "new Function", "document.write", "insertAdjacentHTML"} {
		if strings.Contains(script, forbidden) {
			t.Errorf("the script contains %q", forbidden)
		}
	}
}

// No source of the page takes a text for HTML.
func TestShopSources(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir("shop/src")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile("shop/src/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, forbidden := range []string{"innerHTML", "outerHTML", "dangerouslySetInnerHTML", "insertAdjacentHTML", " style=", "eval("} {
			if strings.Contains(string(source), forbidden) {
				t.Errorf("%s contains %q", file.Name(), forbidden)
			}
		}
	}
}
