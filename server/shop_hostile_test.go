package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"example.com/pagila-api/llm"
)

// injected are texts that a careless page would execute, or that would spoil it.
var injected = map[string]string{
	"image":  `<img src=x onerror="hacked=1">`,
	"script": `<script>hacked=1</script>`,
	"svg":    `"><svg/onload=hacked=1>`,
	"link":   `javascript:hacked=1//`,
	"frame":  `'><iframe srcdoc="<script>parent.hacked=1</script>">`,
	"entity": `&lt;b&gt; &amp;amp; {{7*7}} ${7*7}`,
	"word":   strings.Repeat("W", 300),
	"arabic": "مدرسة الديناصورات \u202e reversed",
	"hebrew": "אקדמיה לדינוזאורים (1) [2] <b>",
}

// foreign lists what a text would have had to make: elements and attributes that the page never has, links that lead
// elsewhere, and a script that ran.
const foreign = `[
  ...document.querySelectorAll("main :is(img, svg, script, iframe, object, embed, base, b), [onload], [onerror], [onclick], [srcdoc], [style]"),
  ...[...document.querySelectorAll("a[href]")].filter(({ href }) => !href.startsWith(location.origin + "/")),
].map((element) => element.outerHTML).concat("hacked" in window ? ["a script ran"] : []).join("\n")`

// wantHarmless checks that the page shows texts as they are, and that they do nothing.
func (b *browser) wantHarmless(t *testing.T, what string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		b.wantShown(strings.Join(strings.Fields(text), " "))
	}
	if found := see(b, chromedp.Evaluate[string](foreign)); found != "" {
		t.Errorf("%s: %s", what, found)
	}
	for _, width := range []int64{360, 1280} {
		b.do(chromedp.EmulateViewport(width, 900))
		if wide := see(b, chromedp.Evaluate[string](sideways)); wide != "" {
			t.Errorf("%s, %d wide: the page scrolls sideways: %s", what, width, wide)
		}
		b.screenshot(fmt.Sprintf("shop-hostile-%s-%d", strings.ReplaceAll(what, " ", "-"), width))
	}
}

// No text of the database, a model or the network is ever taken for HTML.
func TestShopHostileTexts(t *testing.T) {
	t.Parallel()
	model := observed(func(q llm.Question, o llm.Observer) error {
		arguments, err := json.Marshal(map[string]any{injected["image"]: injected["svg"], "q": []string{injected["script"], injected["word"]}})
		if err != nil {
			return err
		}
		if err := o.Called(llm.Call{Name: injected["image"], Arguments: arguments, Status: 200, Films: 1}); err != nil {
			return err
		}
		if err := o.Sources(llm.Sources{Films: []llm.Source{{FilmID: 1, Title: injected["svg"]}, {FilmID: 2, Title: injected["hebrew"]}}, Total: 2}); err != nil {
			return err
		}
		for _, text := range injected {
			if err := o.Chunk(text + " [1] [x](" + injected["link"] + ")\n"); err != nil {
				return err
			}
		}
		return nil
	})
	a := start(t, withModel(model))
	for id, name := range map[int]string{1: "svg", 2: "image", 3: "script", 4: "link", 5: "frame", 6: "entity", 7: "word", 8: "arabic", 9: "hebrew"} {
		a.exec(t, `UPDATE film SET title = ?, description = ? WHERE film_id = ?`, injected[name], injected[name], id)
		a.exec(t, `UPDATE actor SET first_name = ?, last_name = ? WHERE actor_id = ?`, injected[name], injected[name], id)
	}
	a.exec(t, `INSERT INTO film_actor (actor_id, film_id) SELECT actor_id, 1 FROM actor WHERE actor_id <= 9 ON CONFLICT DO NOTHING`)
	a.exec(t, `UPDATE film SET special_features = ARRAY[?, ?] WHERE film_id = 1`, injected["image"], injected["word"])
	a.exec(t, `UPDATE category SET name = ? WHERE category_id = 1`, injected["image"])
	a.exec(t, `INSERT INTO film_category (film_id, category_id) VALUES (1, 1) ON CONFLICT DO NOTHING`)
	a.exec(t, `UPDATE language SET name = left(?, 20) WHERE language_id = 1`, injected["script"])
	a.exec(t, `UPDATE city SET city = ? WHERE city_id IN (SELECT city_id FROM address JOIN store USING (address_id))`, injected["svg"])
	a.exec(t, `UPDATE customer SET first_name = ?, last_name = ?, email = ? WHERE customer_id = 1`, injected["image"], injected["arabic"], injected["svg"])
	a.exec(t, `UPDATE address SET address = ?, district = ?, phone = ? WHERE address_id = (SELECT address_id FROM customer WHERE customer_id = 1)`,
		injected["script"], injected["word"], injected["frame"])
	d := a.behindDoor(t)
	b := startShop(t)

	b.visit(d.URL + "/#/films?q=" + url.QueryEscape(injected["image"]) + "&category=" + url.QueryEscape(injected["svg"]))
	b.results().at("status", "").wantText("0 films")
	b.wantHarmless(t, "conditions", injected["image"], injected["svg"])
	b.visit(d.URL + "/#/films")
	b.films().wantNames(list(t, a, `SELECT trim(regexp_replace(title, '\s+', ' ', 'g')) FROM film ORDER BY film_id LIMIT 24`), true)
	b.wantHarmless(t, "films", injected["svg"], injected["image"], injected["script"], injected["link"], injected["frame"], injected["entity"])
	b.visit(d.URL + "/#/films/1")
	b.at("heading", injected["svg"]).wait()
	b.wantShown("Cast")
	b.wantHarmless(t, "film", injected["svg"], injected["image"], injected["script"], injected["frame"], injected["word"], injected["hebrew"])
	b.visit(d.URL + "/#/films/8")
	b.like("heading", "مدرسة").wait()
	b.wantHarmless(t, "right to left", injected["arabic"])
	if direction := of[string](b.like("heading", "مدرسة"), "function() { return getComputedStyle(this).direction }"); direction != "rtl" {
		t.Errorf("an Arabic title is written %s", direction)
	}

	b.visit(d.URL + "/#/ask")
	answer := b.ask(injected["svg"])
	answer.at("status", "").wantText("The answer is complete")
	texts := []string{injected["svg"], injected["image"]}
	for _, text := range injected {
		texts = append(texts, text)
	}
	b.wantHarmless(t, "answer", texts...)

	b.visit(d.URL + "/#/counter")
	b.logsIn("secret")
	b.wantShown("Logged in as somebody")
	b.wantHarmless(t, "customers", injected["image"], injected["svg"])
	b.turnTo("#/counter/customers/1")
	b.wantHarmless(t, "customer", injected["image"], injected["svg"], injected["script"], injected["frame"])

	// A problem document that something between the page and the server has made.
	b.excuse("status of 418")
	d.guard(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/films") {
			return false
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTeapot)
		problem := map[string]any{
			"type": injected["link"], "title": injected["image"], "status": 418, "detail": injected["svg"], "instance": injected["link"], "code": injected["script"],
			"request_id": injected["frame"], "errors": []map[string]string{{"parameter": injected["script"], "detail": injected["word"]}},
		}
		if err := json.NewEncoder(w).Encode(problem); err != nil {
			t.Error(err)
		}
		return true
	})
	b.visit(d.URL + "/#/films")
	b.at("alert", "").wait()
	b.wantHarmless(t, "problem")
	d.guard(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/films") {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<script>hacked=1</script>"+injected["image"])
			return true
		}
		return false
	})
	b.visit(d.URL + "/#/films")
	b.at("alert", "").wait()
	b.wantHarmless(t, "other server")
	b.wantCleanConsole(d.URL, 10)
}

// observed returns a model that tells its observer something, and succeeds.
func observed(tell func(llm.Question, llm.Observer) error) teller { return teller{scripted{}, tell} }

// teller is a model that tells its observer what a test specifies.
type teller struct {
	scripted
	tell func(llm.Question, llm.Observer) error
}

// Ask tells the observer.
func (m teller) Ask(_ context.Context, q llm.Question, o llm.Observer) (llm.Result, error) {
	err := m.tell(q, o)
	return llm.Result{Model: injected["image"], FinishReason: "stop"}, err
}
