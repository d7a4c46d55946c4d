package server_test

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"example.com/pagila-api/store/pgtest"
)

// results is the list of films.
func (b *browser) results() element { return b.at("region", "Results") }

// films are the headings of the films in the list.
func (b *browser) films() element { return b.results().at("heading", "") }

// search is the field for words.
func (b *browser) search() element { return b.at("searchbox", "Search titles and descriptions") }

// typeQuickly types letters without a pause between them.
func (b *browser) typeQuickly(letters string) {
	b.t.Helper()
	see(b, chromedp.Evaluate[bool](fmt.Sprintf(`[...%q].every((letter) => document.execCommand("insertText", false, letter))`, letters)))
}

// ofFilm completes a query of films by their category.
const ofFilm = ` FROM film f LEFT JOIN film_category USING (film_id) LEFT JOIN category c USING (category_id) `

// A person looks for a film, reads about it, and comes back.
func TestShopFilms(t *testing.T) {
	t.Parallel()
	a, sample := start(t), startOn(t, pgtest.Sample(t, ""))
	d := a.behindDoor(t)
	b := startShop(t)
	b.firstSight(t, sample, sample.URL)
	b.firstSight(t, a, d.URL)
	b.searches(t, a, d)
	b.typesBounds(t, a, d)
	b.readsOn(t, a, d)
	b.malformed(t, d)
	b.wantCleanConsole(d.URL, 20)
}

// firstSight opens the page of a server, and the first film.
func (b *browser) firstSight(t *testing.T, a *testAPI, base string) {
	t.Helper()
	b.visit(base + "/")
	b.results().at("status", "").wantText(fmt.Sprintf("%d films", one[int](t, a, `SELECT count(*) FROM film`)))
	b.films().wantNames(list(t, a, `SELECT title FROM film ORDER BY film_id LIMIT 24`), true)
	b.wantStill("the first sight")
	b.wantFilm(t, a, 1)
	b.wantCleanConsole(base, 7)
}

// searches looks for words, and chooses a filter and an order.
func (b *browser) searches(t *testing.T, a *testAPI, d *door) {
	t.Helper()
	b.visit(d.URL + "/")
	b.films().wantNames(list(t, a, `SELECT title FROM film ORDER BY film_id LIMIT 24`), true)
	word := one[string](t, a, `SELECT lower(split_part(title, ' ', 2)) FROM film WHERE film_id = 1`)

	b.typesWords(t, d, word)
	// The order is by relevance.
	with := list(t, a, `SELECT title FROM film WHERE title || ' ' || COALESCE(description, '') ~* ('\m' || ?) ORDER BY title`, word)
	b.until("the films with "+word, func() (bool, error) {
		b.scrollDown()
		got := b.films().names()
		slices.Sort(got)
		return slices.Equal(got, with), nil
	})
	b.wantFragment("#/films?q=" + word)

	// The Back button leads to the list before the search, however the reader typed.
	b.back()
	b.wantFragment("")
	b.films().wantNames(list(t, a, `SELECT title FROM film ORDER BY film_id LIMIT 24`), true)
	see(b, chromedp.Evaluate[bool]("(history.forward(), true)"))
	b.wantFragment("#/films?q=" + word)

	// A filter that is set before the page has searched for a word.
	b.at("button", "Clear all").click()
	b.wantFragment("#/films")
	b.wantFocus("region", "Results")
	b.search().click()
	b.typeQuickly(word)
	b.at("checkbox", "In stock").click()
	b.wantFragment("#/films?q=" + word + "&in_stock=true")

	// A filter and an order.
	b.at("button", "Clear all").click()
	b.wantFragment("#/films")
	b.at("checkbox", "Comedy").click()
	b.wantFragment("#/films?category=Comedy")
	b.at("checkbox", "PG-13").click()
	b.at("combobox", "Sort by").choose("Longest first")
	b.wantFragment("#/films?category=Comedy&rating=PG-13&sort=-length")
	chosen := list(t, a, `SELECT title`+ofFilm+`WHERE c.name = 'Comedy' AND rating = 'PG-13' ORDER BY length DESC NULLS LAST, film_id`)
	b.films().wantNames(chosen, false)
	b.results().at("status", "").wantText(fmt.Sprintf("%d film", len(chosen)))
	b.screenshot("shop-films-filtered")

	// The address alone gives the same view: after a reload, in another tab, and by the Back button.
	b.do(chromedp.Reload())
	b.wantView(chosen)
	b.visit(d.URL + "/#/films?category=Comedy&rating=PG-13&sort=-length")
	b.wantView(chosen)
	b.at("button", "Remove the condition Comedy").click()
	b.wantFragment("#/films?rating=PG-13&sort=-length")
	b.wantFocus("button", "Remove the condition Rated PG-13")
	b.back()
	b.wantView(chosen)
	b.at("button", "Clear all").click()
	b.wantFragment("#/films?sort=-length")
}

// wantView checks that the form and the list show what the address says.
func (b *browser) wantView(films []string) {
	b.t.Helper()
	b.films().wantNames(films, false)
	for _, box := range []string{"Comedy", "PG-13"} {
		if !of[bool](b.at("checkbox", box), "function() { return this.checked }") {
			b.t.Errorf("%s is not checked", box)
		}
	}
	if got := of[string](b.at("combobox", "Sort by"), "function() { return this.selectedOptions[0].text }"); got != "Longest first" {
		b.t.Errorf("the order is %q", got)
	}
}

// typesWords types a word in two parts. Each part is one request after a pause, and the second cancels the first.
func (b *browser) typesWords(t *testing.T, d *door, word string) {
	t.Helper()
	asked, cancelled := make(chan time.Time, 1), make(chan time.Time, 1)
	d.guard(func(_ http.ResponseWriter, r *http.Request) bool {
		if q := r.URL.Query().Get("q"); q == "" || q == word {
			return false
		}
		asked <- time.Now()
		<-r.Context().Done()
		cancelled <- time.Now()
		return true
	})
	d.take("")
	b.search().click()
	began := time.Now()
	b.typeQuickly(word[:3])
	if pause := b.receive(asked, "a search").Sub(began); pause < 200*time.Millisecond {
		t.Errorf("the page searches %s after a letter, and does not wait for the next one", pause)
	}
	b.typeQuickly(word[3:])
	b.receive(cancelled, "the end of the search")
	b.results().at("button", "Remove the condition “"+word+"”").wait()
	got := d.take("GET /films?")
	if len(got) != 2 || !strings.Contains(got[0], "q="+word[:3]+"&") || !strings.Contains(got[1], "q="+word+"&") {
		t.Errorf("the page searches with %q, want two requests", got)
	}
	d.guard(nil)
}

// typesBounds types a bound of a range while further films arrive. They do not change what has been typed.
func (b *browser) typesBounds(t *testing.T, a *testAPI, d *door) {
	t.Helper()
	arrived, let := make(chan time.Time, 1), make(chan struct{})
	d.guard(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Has("cursor") {
			select {
			case arrived <- time.Now():
			default:
			}
			select {
			case <-let:
			case <-r.Context().Done():
			}
		}
		return false
	})
	b.visit(d.URL + "/#/films")
	b.films().wantNames(list(t, a, `SELECT title FROM film ORDER BY film_id LIMIT 24`), true)
	b.scrollDown()
	b.receive(arrived, "the request for further films")
	bound := b.at("group", "Minutes").at("textbox", "From")
	bound.fill("17")
	close(let)
	b.until("further films", func() (bool, error) { return b.films().count() > 24, nil })
	b.insert("5")
	bound.wantValue("175")
	b.wantFragment("#/films")
	b.keys(kb.Enter)
	b.wantFragment("#/films?length_min=175")
	b.films().wantNames(list(t, a, `SELECT title FROM film WHERE length >= 175 ORDER BY film_id LIMIT 24`), true)
	d.guard(nil)

	// The field follows the address.
	b.back()
	b.wantFragment("#/films")
	bound.wantValue("")
}

// wantValue waits until a field has this in it.
func (e element) wantValue(want string) {
	e.b.t.Helper()
	e.b.until(fmt.Sprintf("%q in %s", want, e), func() (bool, error) {
		got, err := on[string](e, "function() { return this.value }")
		return err == nil && got == want, cmp.Or(err, fmt.Errorf("got %q", got))
	})
}

// scrollDown scrolls to the end of the page.
func (b *browser) scrollDown() {
	b.t.Helper()
	see(b, chromedp.Evaluate[bool](`(scrollTo(0, document.body.scrollHeight), true)`))
}

// readsOn scrolls through a list to its end, opens a film in its middle, and comes back.
func (b *browser) readsOn(t *testing.T, a *testAPI, d *door) {
	t.Helper()
	all := list(t, a, `SELECT title`+ofFilm+`WHERE c.name = 'Sports' ORDER BY title, film_id`)
	b.visit(d.URL + "/#/films?category=Sports&sort=title")
	b.films().wantNames(all[:24], true)
	d.take("")
	b.until("the end of the list", func() (bool, error) {
		b.scrollDown()
		return b.films().count() >= len(all), nil
	})
	b.films().wantNames(all, false)
	b.at("button", "More films").gone()
	pages := d.take("GET /films?")
	if len(pages) != (len(all)-1)/24 {
		t.Errorf("%d films in %d further requests", len(all), len(pages))
	}
	for i, request := range pages {
		if !strings.Contains(request, "cursor=") || slices.Contains(pages[:i], request) {
			t.Errorf("the page asks for %q", pages)
		}
	}

	film := all[len(all)/2]
	link := b.results().at("link", film)
	of[bool](link, `function() { this.scrollIntoView({ block: "center", behavior: "instant" }); return true }`)
	const scroll = `scrollY`
	before := see(b, chromedp.Evaluate[float64](scroll))
	link.click()
	b.at("heading", film).wait()
	b.until("the top of the film", func() (bool, error) { return see(b, chromedp.Evaluate[float64](scroll)) == 0, nil })
	d.take("")
	b.back()
	b.films().wantNames(all, false)
	b.until("the place in the list", func() (bool, error) { return see(b, chromedp.Evaluate[float64](scroll)) == before, nil })
	if again := d.take("GET /films?"); len(again) > 0 {
		t.Errorf("the list is loaded again: %q", again)
	}
}

// wantFilm opens a film, and compares what is shown with the database.
func (b *browser) wantFilm(t *testing.T, a *testAPI, id int) {
	t.Helper()
	title := one[string](t, a, `SELECT title FROM film WHERE film_id = ?`, id)
	b.results().at("link", title).click()
	b.wantFragment(fmt.Sprintf("#/films/%d", id))
	b.at("heading", title).wait()
	b.wantFocus("heading", title)
	b.wantShown(
		one[string](t, a, `SELECT description FROM film WHERE film_id = ?`, id),
		one[string](t, a, `SELECT 'Rating ' || rating FROM film WHERE film_id = ?`, id),
		one[string](t, a, `SELECT 'Year ' || release_year FROM film WHERE film_id = ?`, id),
		one[string](t, a, `SELECT 'Length ' || length || ' minutes' FROM film WHERE film_id = ?`, id),
		one[string](t, a, `SELECT 'Rental $' || rental_rate || ' for ' || rental_duration || ' days' FROM film WHERE film_id = ?`, id),
	)
	b.wantShown("Cast " + strings.Join(list(t, a, `SELECT first_name || ' ' || last_name FROM actor JOIN film_actor USING (actor_id)
		WHERE film_id = ? ORDER BY last_name, first_name, actor_id`, id), " "))
	b.at("table", "Copies of this film by store").at("cell", "").wantNames(list(t, a, `SELECT unnest(ARRAY[
			count(*) FILTER (WHERE NOT EXISTS (SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND return_date IS NULL)) || ' of ' || count(*),
			CASE WHEN count(*) FILTER (WHERE NOT EXISTS (SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND return_date IS NULL)) > 0
				THEN 'Rent at ' || city || ', ' || country ELSE '' END])
		FROM inventory i JOIN store USING (store_id) JOIN address USING (address_id) JOIN city USING (city_id) JOIN country USING (country_id)
		WHERE film_id = ? GROUP BY store_id, city, country ORDER BY store_id`, id), false)
	b.back()
	b.at("heading", "Films").wait()
}

// malformed turns to addresses that nobody has made for the page. One of them is the first that is opened.
func (b *browser) malformed(t *testing.T, d *door) {
	t.Helper()
	b.excuse("status of 400")
	b.excuse("status of 404")
	b.visit(d.URL + "/#/counter")
	b.logsIn("secret")
	b.wantShown("Logged in as somebody")
	b.visit(d.URL + "/#/%E0%A4%A?%E0%A4%A")
	b.wantShown("There is no such page")
	for fragment, want := range map[string]string{
		"#/films?rating=XXX":                                     "rating",
		"#/films?length_min=abc&sort=nothing":                    "length_min",
		"#/films?q=" + url.QueryEscape(strings.Repeat("x", 300)): "q",
		"#/films?category=%E0%A4%A&&&=&x":                        "Films",
		"#/films?unknown=1&page_size=0&cursor=x":                 "films",
		"#/films/abc":                                            "abc",
		"#/films/2147483647":                                     "no film 2147483647",
		"#/films/1e9999999":                                      "Film",
		"#/films/%E0%A4%A":                                       "Film",
		"#/films/1/2/3":                                          "Films",
		"#//":                                                    "Pagila",
		"#nonsense":                                              "There is no such page",
		"#/__proto__":                                            "There is no such page",
		"#/ask?question=%00%E0":                                  "Your question",
		"#/counter/customers/x?film_id=-1":                       "Customer",
		"#/counter?film_id=-1&store_id=x&active=1":               "customers",
		"#/%E0%A4%A?%E0%A4%A":                                    "There is no such page",
		"#/films?sort=title&sort=-title&q=%25":                   "Films",
	} {
		b.turnTo(fragment)
		b.wantShown(want)
		b.at("navigation", "Views").at("link", "Films").wait()
		if wide := see(b, chromedp.Evaluate[string](sideways)); wide != "" {
			t.Errorf("%s scrolls sideways: %s", fragment, wide)
		}
	}
}
