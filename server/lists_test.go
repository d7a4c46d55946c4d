package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server"
	"example.com/pagila-api/store"
)

// follow reads all pages of a list by the header Link, and returns the IDs in the member. Only the last page has no
// link.
func (a *testAPI) follow(t *testing.T, target, member string) []int32 {
	t.Helper()
	at, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	var all []int32
	for {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response := a.do(t, r).want(t, 200)
		var page struct{ Items []map[string]any }
		if err := json.Unmarshal(response.body, &page); err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			all = append(all, int32(item[member].(float64)))
		}
		link := response.header.Get("Link")
		if link == "" {
			return all
		}
		if len(page.Items) == 0 {
			t.Fatalf("an empty page has the link %s", link)
		}
		if at, err = at.Parse(strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)); err != nil {
			t.Fatal(err)
		}
	}
}

// idsFrom returns the IDs that a query selects.
func idsFrom(t *testing.T, a *testAPI, query string) []int32 {
	t.Helper()
	all := []int32{}
	if err := a.db.NewRaw(query).Scan(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// The links lead through all pages of each list, in each order and with each condition, also behind a prefix that a
// proxy strips. The pages have what the database has, each once.
func TestListsByLink(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(t, `
		UPDATE rental SET return_date = NULL WHERE rental_id IN (SELECT min(rental_id) FROM rental GROUP BY inventory_id ORDER BY 1 LIMIT 40);
		UPDATE rental SET rental_date = now() - interval '1 hour' WHERE rental_id IN (SELECT rental_id FROM rental WHERE return_date IS NULL ORDER BY 1 LIMIT 5);
		UPDATE customer SET last_name = 'SMITH' WHERE customer_id % 7 = 0;
		UPDATE customer SET active = NULL WHERE customer_id % 11 = 0;
		UPDATE customer SET activebool = false WHERE customer_id % 13 = 0`)
	const (
		due     = `rental_date + make_interval(days => rental_duration)`
		rentals = `SELECT rental_id ` + fromRentals + ` WHERE `
		active  = `COALESCE(active, 1) = 1 AND activebool`
	)
	customer := one[int32](t, a, `SELECT customer_id FROM payment GROUP BY customer_id ORDER BY count(*) DESC, customer_id LIMIT 1`)
	base := a.proxied(t, "/pagila")
	for target, want := range map[string]string{
		"/rentals?state=open&page_size=7":                                rentals + `return_date IS NULL ORDER BY rental_date DESC, rental_id`,
		"/rentals?state=overdue&sort=due_date&page_size=7":               rentals + `return_date IS NULL AND ` + due + ` < now() ORDER BY ` + due + `, rental_id`,
		"/rentals?state=open&sort=-due_date&page_size=7":                 rentals + `return_date IS NULL ORDER BY ` + due + ` DESC, rental_id`,
		"/rentals?film_id=1&page_size=2":                                 rentals + `film_id = 1 ORDER BY rental_date DESC, rental_id`,
		"/rentals?film_id=1&store_id=2&sort=rental_id&page_size=2":       rentals + `film_id = 1 AND store_id = 2 ORDER BY rental_id`,
		"/rentals?customer_id=2&sort=-rental_id&page_size=3":             rentals + `customer_id = 2 ORDER BY rental_id DESC`,
		"/rentals?customer_id=2&sort=return_date&page_size=3":            rentals + `customer_id = 2 ORDER BY return_date, rental_id`,
		"/rentals?customer_id=2&state=returned&sort=-return_date":        rentals + `customer_id = 2 AND return_date IS NOT NULL ORDER BY return_date DESC, rental_id`,
		"/rentals?rental_date_min=2022-05-24&rental_date_max=2022-05-24": rentals + `rental_date >= '2022-05-24 00:00+00' AND rental_date < '2022-05-25 00:00+00' ORDER BY rental_date DESC, rental_id`,
		"/rentals?rental_date_max=2022-05-25&page_size=50":               rentals + `rental_date < '2022-05-26 00:00+00' ORDER BY rental_date DESC, rental_id`,
		"/rentals?customer_id=2147483647":                                rentals + `false`,
		"/rentals?film_id=2147483647&store_id=2147483647":                rentals + `false`,
		"/customers/2/rentals?sort=due_date&page_size=5":                 rentals + `customer_id = 2 ORDER BY ` + due + `, rental_id`,
		"/customers/2/rentals?state=open":                                rentals + `customer_id = 2 AND return_date IS NULL ORDER BY rental_date DESC, rental_id`,
		"/customers?page_size=100":                                       `SELECT customer_id FROM customer ORDER BY customer_id`,
		"/customers?sort=-customer_id&page_size=100":                     `SELECT customer_id FROM customer ORDER BY customer_id DESC`,
		"/customers?sort=last_name&page_size=50":                         `SELECT customer_id FROM customer ORDER BY last_name, customer_id`,
		"/customers?sort=-last_name&active=true&page_size=50":            `SELECT customer_id FROM customer WHERE ` + active + ` ORDER BY last_name DESC, customer_id`,
		"/customers?active=false&page_size=20":                           `SELECT customer_id FROM customer WHERE NOT (` + active + `) ORDER BY customer_id`,
		"/customers?store_id=2&q=smith&sort=last_name&page_size=10":      `SELECT customer_id FROM customer WHERE store_id = 2 AND (last_name ~* 'smith' OR email ~* 'smith') ORDER BY last_name, customer_id`,
		fmt.Sprintf("/customers/%d/payments?page_size=7", customer):      fmt.Sprintf(`SELECT payment_id FROM payment WHERE customer_id = %d ORDER BY payment_date DESC, payment_id`, customer),
		fmt.Sprintf("/customers/%d/payments?sort=payment_date", customer): fmt.Sprintf(`SELECT payment_id FROM payment WHERE customer_id = %d ORDER BY payment_date, payment_id`,
			customer),
		"/rentals?sort=rental_id&page_size=100&rental_date_min=2000-01-01&store_id=1": rentals + `store_id = 1 AND rental_date >= '2000-01-01' ORDER BY rental_id`,
	} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			member := "rental_id"
			if path, _, _ := strings.Cut(target, "?"); path == "/customers" {
				member = "customer_id"
			} else if strings.HasSuffix(path, "/payments") {
				member = "payment_id"
			}
			got, want := a.follow(t, base+target, member), idsFrom(t, a, want)
			if !slices.Equal(got, want) {
				t.Errorf("%d rows, want %d: %v, want %v", len(got), len(want), got, want)
			}
		})
	}
}

// The total is exact, capped, the planner's estimate or left out, by number and by cursor.
func TestCountOfLists(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(t, `ANALYZE`)
	for path, table := range map[string]string{
		"/rentals": "rental", "/customers": "customer", "/customers/1/rentals": "rental WHERE customer_id = 1", "/customers/1/payments": "payment WHERE customer_id = 1",
	} {
		want := one[int64](t, a, `SELECT count(*) FROM `+table)
		type page struct {
			Total      *int64 `json:"total"`
			Page       *int32 `json:"page"`
			NextCursor string `json:"next_cursor"`
		}
		read := func(query string) (p page) {
			t.Helper()
			if err := json.Unmarshal(a.fetch(t, path+"?page_size=1"+query).want(t, 200).body, &p); err != nil {
				t.Fatal(err)
			}
			return p
		}
		first := read("")
		if first.Total == nil || *first.Total != want || first.Page == nil || *first.Page != 1 {
			t.Errorf("%s: %+v, want a total of %d", path, first, want)
		}
		if p := read("&count=none&page=2"); p.Total != nil || *p.Page != 2 {
			t.Errorf("%s with count=none: %+v", path, p)
		}
		if p := read("&count=estimated"); p.Total == nil || *p.Total < 1 {
			t.Errorf("%s with count=estimated: %+v", path, p)
		}
		if p := read("&count=capped"); p.Total == nil || *p.Total != want && *p.Total != 10001 {
			t.Errorf("%s with count=capped: %+v, want a total of %d", path, p, want)
		}
		if p := read("&cursor=" + first.NextCursor); p.Total != nil || p.Page != nil {
			t.Errorf("%s with a cursor: %+v", path, p)
		}
		if p := read("&count=exact&cursor=" + first.NextCursor); p.Total == nil || *p.Total != want {
			t.Errorf("%s with a cursor and count=exact: %+v", path, p)
		}
		if p := read("&page=2147483647"); *p.Total != want || p.NextCursor != "" {
			t.Errorf("%s, the last page of all: %+v", path, p)
		}
	}
}

// Days in the wrong order are a fault of both parameters.
func TestContradictoryDays(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.fetch(t, "/rentals?rental_date_min=2026-11-27&rental_date_max=2026-11-26").wantFaults(t, 400, "invalid_request", "rental_date_min", "rental_date_max")
	a.fetch(t, "/rentals?rental_date_min=0001-01-01&rental_date_max=9999-12-31").want(t, 200)
	a.fetch(t, "/rentals?rental_date_min=9999-12-31&rental_date_max=9999-12-31").want(t, 200)
}

// The characters of names are taken as they are: a percent sign, an underscore or a quote matches itself.
func TestOddCustomerNames(t *testing.T) {
	t.Parallel()
	a := start(t)
	names := []string{`100%`, `under_score`, `O'NEIL "X"`, `back\slash`, `'; DROP TABLE customer; --`, `{customer}`, `$1`, "ÉÀÇ", "电影🎬", "İı"}
	for i, name := range names {
		a.exec(t, `UPDATE customer SET first_name = ?, last_name = 'ODD', email = ? WHERE customer_id = ?`, name, fmt.Sprintf("odd%d@example.org", i), i+1)
	}
	for i, name := range names {
		for _, q := range []string{name, name + " odd", strings.ToLower(name), fmt.Sprintf("ODD%d@EX", i)} {
			if strings.HasPrefix(name, "İ") && q != name {
				continue // how these change their case depends on the locale
			}
			page := decode[gen.CustomerPage](t, a.fetch(t, "/customers?q="+url.QueryEscape(q)).want(t, 200))
			if len(page.Items) != 1 || page.Items[0].FirstName != name {
				t.Errorf("%q: %+v", q, page.Items)
			}
		}
		if got := decode[gen.CustomerDetail](t, a.fetch(t, fmt.Sprintf("/customers/%d", i+1)).want(t, 200)); got.FirstName != name {
			t.Errorf("customer %d is %q, want %q", i+1, got.FirstName, name)
		}
	}
	for _, q := range []string{"%", "_", `\`, "%%", "x%"} {
		for _, c := range decode[gen.CustomerPage](t, a.fetch(t, "/customers?page_size=100&q="+url.QueryEscape(q)).want(t, 200)).Items {
			if !strings.Contains(c.FirstName+" "+c.LastName, q) && c.Email != nil && !strings.Contains(*c.Email, q) {
				t.Errorf("%q finds %+v", q, c)
			}
		}
	}
}

// The log has nothing of what a client looks for or sends about a customer, and nothing of what it receives.
func TestLogHasNoCustomers(t *testing.T) {
	t.Parallel()
	const secret = "S3CR3T"
	a := start(t)
	a.insertExampleRows(t)
	a.exec(t, `
		UPDATE address SET address = ?0, address2 = ?0, district = ?0, postal_code = ?0, phone = ?0 WHERE address_id IN (SELECT address_id FROM customer);
		UPDATE customer SET first_name = ?0, last_name = ?0, email = ?0`, secret)
	if shown := a.fetch(t, "/customers/1").want(t, 200); !strings.Contains(string(shown.body), secret) {
		t.Fatal("the customer is not shown")
	}
	for _, query := range []string{"q=" + secret, "q=" + secret + "&cursor=" + secret, secret + "=1", "q=" + secret + "&q=" + secret, "q=" + secret + "%00"} {
		a.fetch(t, "/customers?"+query)
	}
	a.post(t, "/customers/1/subscriptions", `{"plan_name": "`+secret+`"}`).want(t, 400)
	a.patch(t, "/films/1", `{"streaming_available": true}`, `"`+secret+`"`).want(t, 412)
	client := a.mcpClient(t, "Authorization", "Bearer "+token)
	callMCP(t, client, "listCustomers", map[string]any{"q": secret})
	callMCP(t, client, "getCustomer", map[string]any{"customer_id": 1, "made_up": secret})
	// A constraint that quotes the row, and a fault.
	a.exec(t, `CREATE FUNCTION quote() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation', DETAIL = ?; END $$;
		CREATE TRIGGER quote BEFORE INSERT ON rental FOR EACH ROW EXECUTE FUNCTION quote()`, "Failing row contains "+secret)
	a.post(t, "/customers/1/rentals", `{"inventory_id": 1, "staff_id": 1}`).wantProblem(t, 409, "refused_by_database")
	a.breakTables(t)
	a.fetch(t, "/customers?q="+secret).wantProblem(t, 500, "internal_error")
	a.fetch(t, "/customers/1").wantProblem(t, 500, "internal_error")
	a.Close() // the server writes the access line after the response
	if log := a.log.String(); strings.Contains(log, secret) || !strings.Contains(log, `"path":"/customers"`) {
		t.Errorf("the log is %s", log)
	}
}

// Pages use the memory of earlier pages. Each client still gets what it asks for while many ask, and while others get
// no page, or only its head, or have it called as a tool.
func TestListsAtOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	var targets []string
	for page := range 5 {
		for _, list := range []string{"/films?sort=title", "/films?sort=-length", "/customers?sort=last_name", "/rentals?state=returned", "/customers/1/payments?count=none"} {
			targets = append(targets, fmt.Sprintf("%s&page_size=%d&page=%d", list, 3+page, 1+page))
		}
	}
	targets = append(targets, "/films?page=1000", "/customers?page=1000")
	alone := map[string]string{}
	for _, target := range targets {
		alone[target] = string(a.fetch(t, target).want(t, 200).body)
	}
	tools := server.ModelTools(a.server, httptest.NewRequest(http.MethodGet, "/ai/ask?question=x", nil))
	tool := func(t *testing.T) string {
		t.Helper()
		result, err := tools.Call(t.Context(), "listFilms", json.RawMessage(`{"sort":"-title","page_size":4}`))
		if err != nil || result.Status != 200 {
			t.Fatalf("%d %s, %v", result.Status, result.Body, err)
		}
		return string(result.Body)
	}
	called := tool(t)
	for client := range 8 {
		t.Run(strconv.Itoa(client), func(t *testing.T) {
			t.Parallel()
			for i := range 2 * len(targets) {
				target := targets[(client*7+i)%len(targets)]
				if body := string(a.fetch(t, target).want(t, 200).body); body != alone[target] {
					t.Fatalf("%s: %s\nalone: %s", target, body, alone[target])
				}
				switch (client + i) % 4 {
				case 0:
					if result := tool(t); result != called {
						t.Fatalf("the tool's result is %s\nalone: %s", result, called)
					}
				case 1:
					a.call(t, http.MethodHead, target, "", "Authorization", "Bearer "+token).want(t, 200)
				case 2:
					a.fetch(t, "/customers/99999/payments").wantProblem(t, 404, gen.ProblemCodeCustomerNotFound)
				}
			}
		})
	}
}

// Two requests at the same time have items of their own.
func TestPageItems(t *testing.T) {
	t.Parallel()
	pageOf := func(title string) *store.Page[store.Film] {
		return &store.Page[store.Film]{Items: []store.Film{{Title: title}}}
	}
	for range 10 {
		one, endOne := server.WithCall(t.Context())
		other, endOther := server.WithCall(t.Context())
		items, others := server.FilmItems(one, pageOf("ONE")), server.FilmItems(other, pageOf("OTHER"))
		if len(items) != 1 || len(others) != 1 || items[0].Title != "ONE" || others[0].Title != "OTHER" {
			t.Fatalf("the items are %+v and %+v", items, others)
		}
		endOne()
		endOther()
	}
	if items := server.FilmItems(t.Context(), &store.Page[store.Film]{}); items == nil || len(items) > 0 {
		t.Errorf("the items of an empty page are %v", items)
	}
}
