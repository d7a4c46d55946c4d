package server_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// counterCase is what happens at the counter in a test: a customer, and films at store 1.
type counterCase struct {
	*testAPI
	door     *door
	customer int    // has nothing rented
	name     string // of the customer
	film     int    // in stock at store 1
	title    string
	copies   []int // of the film in stock at store 1
}

func newCounterCase(t *testing.T, a *testAPI) *counterCase {
	t.Helper()
	c := &counterCase{testAPI: a, door: a.behindDoor(t)}
	c.customer = one[int](t, a, `SELECT min(customer_id) FROM customer WHERE active = 1 AND store_id = 1
		AND NOT EXISTS (SELECT FROM rental WHERE rental.customer_id = customer.customer_id AND return_date IS NULL)`)
	c.name = one[string](t, a, `SELECT first_name || ' ' || last_name FROM customer WHERE customer_id = ?`, c.customer)
	c.film = one[int](t, a, `SELECT min(film_id) FROM (SELECT film_id FROM inventory i WHERE store_id = 1
		GROUP BY film_id HAVING count(*) > 2 AND NOT bool_or(EXISTS (SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND return_date IS NULL))) films`)
	c.title = one[string](t, a, `SELECT title FROM film WHERE film_id = ?`, c.film)
	for _, id := range list(t, a, `SELECT inventory_id::text FROM inventory WHERE film_id = ? AND store_id = 1 ORDER BY inventory_id`, c.film) {
		var number int
		fmt.Sscan(id, &number)
		c.copies = append(c.copies, number)
	}
	return c
}

// open is the number of copies of the film that the customer has.
func (c *counterCase) open(t *testing.T) int {
	t.Helper()
	return one[int](t, c.testAPI, `SELECT count(*) FROM rental JOIN inventory USING (inventory_id) WHERE film_id = ? AND customer_id = ? AND return_date IS NULL`, c.film, c.customer)
}

// overdue rents the customer's first copy, three days longer than is allowed.
func (c *counterCase) overdue(t *testing.T) {
	t.Helper()
	c.post(t, fmt.Sprintf("/customers/%d/rentals", c.customer), fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, c.copies[0])).want(t, 201)
	c.exec(t, `UPDATE rental SET rental_date = now() - make_interval(days => rental_duration + 3, mins => 5) FROM inventory JOIN film USING (film_id)
		WHERE rental.inventory_id = inventory.inventory_id AND rental.inventory_id = ? AND return_date IS NULL`, c.copies[0])
}

// logsIn logs in as the member of staff.
func (b *browser) logsIn(password string) {
	b.t.Helper()
	b.at("textbox", "User name").fill("somebody")
	b.at("textbox", "Password").fill(password)
	b.at("button", "Log in").click()
}

// holdWrites holds the writes of the page until let is closed, and tells of each one.
func (c *counterCase) holdWrites() (pressed chan time.Time, let chan struct{}) {
	pressed, let = make(chan time.Time, 2), make(chan struct{})
	c.door.guard(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			pressed <- time.Now()
			select {
			case <-let:
			case <-r.Context().Done():
			}
		}
		return false
	})
	return pressed, let
}

// rental is the form to rent.
func (b *browser) rental() element { return b.at("region", "Rent a film") }

// A member of staff serves a customer.
func TestShopCounter(t *testing.T) {
	t.Parallel()
	c := newCounterCase(t, start(t))
	c.overdue(t)
	b := startShop(t)
	b.findsCustomer(t, c)
	b.returnsLate(t, c)
	b.rentsOnce(t, c)
	b.meetsConflicts(t, c)
	b.subscribes(t, c)
	b.losesLogin(t, c)
	b.wantCleanConsole(c.door.URL, 20)
}

// findsCustomer logs in, and finds the customer.
func (b *browser) findsCustomer(t *testing.T, c *counterCase) {
	t.Helper()
	b.visit(c.door.URL + "/#/counter")
	b.at("heading", "The counter").wait()
	b.excuse("status of 400", "/token")
	b.logsIn("wrong")
	b.at("alert", "").wantText("wrong")
	b.at("textbox", "Password").fill("secret")
	b.at("button", "Log in").click()
	b.wantShown("Logged in as somebody")
	b.wantFocus("heading", "The counter")
	b.wantShown(fmt.Sprintf("%d customers", one[int](t, c.testAPI, `SELECT count(*) FROM customer`)))
	b.at("searchbox", "Name, email address or number").fill(c.name)
	link := b.like("link", c.name)
	b.until("one customer", func() (bool, error) { return b.like("link", "No. ").count() == 1 && link.count() == 1, nil })
	b.wantShown("1 customer")
	link.click()
	b.wantFragment(fmt.Sprintf("#/counter/customers/%d", c.customer))
	b.at("heading", c.name).wait()
	b.wantFocus("heading", c.name)
	b.wantShown(one[string](t, c.testAPI, `SELECT email FROM customer WHERE customer_id = ?`, c.customer), "Overdue 1", "Late fees so far $3.00")
	b.back()
	b.wantFragment("#/counter?q=" + strings.ReplaceAll(c.name, " ", "+"))
	link.click()
	b.at("heading", c.name).wait()
	b.screenshot("shop-counter-customer")
}

// returnsLate returns the copy that is overdue.
func (b *browser) returnsLate(t *testing.T, c *counterCase) {
	t.Helper()
	rented := b.at("region", "Rented now")
	rented.wantText("3 days overdue, $3.00 so far")
	rented.at("button", "Return "+c.title).click()
	dialog := b.at("dialog", "Return this copy?")
	dialog.at("button", "Not now").click()
	dialog.gone()
	if c.open(t) != 1 {
		t.Error("a copy was returned without a confirmation")
	}
	rented.at("button", "Return "+c.title).click()
	b.screenshot("shop-counter-return")
	dialog.at("button", "Return it").click()
	returned := b.at("dialog", "Returned")
	returned.wantText("Late fee to collect: $3.00")
	b.wantFocus("button", "Close")
	returned.at("button", "Close").click()
	rented.wantText("No copies rented.")
	if c.open(t) != 0 {
		t.Error("the copy is still out")
	}
	b.like("region", "Earlier rentals").wantText("3 days late, $3.00")
}

// rentsOnce rents a copy of the film. Pressing the button twice does not rent twice.
func (b *browser) rentsOnce(t *testing.T, c *counterCase) {
	t.Helper()
	form := b.rental()
	form.at("combobox", "Film").fill(c.title)
	form.like("option", c.title).click()
	form.at("spinbutton", "Member of staff").fill("1")
	pressed, let := c.holdWrites()
	form.at("button", "Rent").click()
	b.receive(pressed, "the rental")
	form.at("button", "Renting…").click()
	b.keys("\r")
	close(let)
	form.wantText("Rented " + c.title + ": copy")
	c.door.guard(nil)
	if n := c.open(t); n != 1 || len(pressed) > 0 {
		t.Errorf("%d copies are rented, by %d requests", n, len(pressed)+1)
	}
	b.at("region", "Rented now").at("button", "Return "+c.title).wait()
}

// meetsConflicts rents what cannot be rented.
func (b *browser) meetsConflicts(t *testing.T, c *counterCase) {
	t.Helper()
	b.excuse("status of 409", "/customers/")
	form := b.rental()
	form.at("combobox", "Film").fill(c.title)
	form.like("option", c.title).click()
	form.at("button", "Rent").click()
	form.at("alert", "").wantText("This customer has it already.")
	b.screenshot("shop-counter-conflict")
	form.at("button", "Return it").click()
	b.at("dialog", "Return this copy?").at("button", "Not now").click()

	// A copy that another customer has.
	other := one[int](t, c.testAPI, `SELECT min(customer_id) FROM customer WHERE active = 1 AND customer_id <> ?`, c.customer)
	c.post(t, fmt.Sprintf("/customers/%d/rentals", other), fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, c.copies[1])).want(t, 201)
	form.at("radio", "This copy").click()
	form.at("spinbutton", "Number of the copy").fill(strconv.Itoa(c.copies[1]))
	form.at("button", "Rent").click()
	form.at("alert", "").wantText("This copy is rented out.")

	// A store without a copy in stock, for a customer who comes from the film's page.
	taken := one[int](t, c.testAPI, `SELECT film_id FROM inventory GROUP BY film_id HAVING count(*) FILTER (WHERE store_id = 1) > 0 AND count(*) FILTER (WHERE store_id = 2) > 0
		AND film_id <> ? ORDER BY film_id LIMIT 1`, c.film)
	c.exec(t, `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) SELECT now(), inventory_id, ?, 1 FROM inventory i WHERE film_id = ? AND store_id = 1
		AND NOT EXISTS (SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND return_date IS NULL)`, other, taken)
	title := one[string](t, c.testAPI, `SELECT title FROM film WHERE film_id = ?`, taken)
	b.turnTo(fmt.Sprintf("#/counter?film_id=%d&store_id=1", taken))
	b.at("link", "Cancel this rental").wait()
	b.at("link", title).wait()
	b.at("searchbox", "Name, email address or number").fill(strconv.Itoa(c.customer))
	b.like("link", c.name).click()
	form.at("combobox", "Film").wantValue(title)
	form.at("spinbutton", "Member of staff").fill("1")
	form.at("button", "Rent").click()
	form.at("alert", "").wantText("This store has no copy in stock.")
	form.like("button", "Rent from store 2").wait()
	form.at("alert", "").wantText("The first copy")

	// A customer who may not rent.
	c.exec(t, `UPDATE customer SET active = 0 WHERE customer_id = ?`, c.customer)
	form.like("button", "Rent from store 2").click()
	form.at("alert", "").wantText("The customer is not active.")
	b.wantShown("Not active.")
	c.exec(t, `UPDATE customer SET active = 1 WHERE customer_id = ?`, c.customer)
	form.at("button", "Rent").click()
	form.wantText("Rented " + title)
	b.at("region", "Rented now").at("button", "Return "+title).wait()
}

// subscribes begins a subscription, cannot begin another, and cancels it.
func (b *browser) subscribes(t *testing.T, c *counterCase) {
	t.Helper()
	streaming := b.at("region", "Streaming")
	streaming.at("DisclosureTriangle", "Start a subscription").click()
	streaming.like("radio", "Basic").click()
	streaming.at("button", "Subscribe").click()
	streaming.wantText("The subscription to basic starts on")
	if n := one[int](t, c.testAPI, `SELECT count(*) FROM streaming_subscription WHERE customer_id = ? AND start_date = `+today+` AND end_date IS NULL`, c.customer); n != 1 {
		t.Errorf("%d subscriptions begin today", n)
	}
	streaming.like("radio", "Premium").click()
	streaming.at("button", "Subscribe").click()
	streaming.at("alert", "").wantText("a subscription on some of these days.")
	streaming.at("button", "Cancel the plan basic").click()
	b.at("dialog", "Cancel this subscription?").at("button", "Cancel it").click()
	b.at("dialog", "Cancelled").wantText("Its last day is")
	b.at("dialog", "Cancelled").at("button", "Close").click()
	if n := one[int](t, c.testAPI, `SELECT count(*) FROM streaming_subscription WHERE customer_id = ? AND end_date = `+today, c.customer); n != 1 {
		t.Errorf("%d subscriptions end today", n)
	}
}

// losesLogin is told that the token is not valid any more, logs in again, and goes on with what was typed. A token
// without the scope is explained.
func (b *browser) losesLogin(t *testing.T, c *counterCase) {
	t.Helper()
	credentials := func(token string) {
		c.door.guard(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			return false
		})
	}
	form, free := b.rental(), strconv.Itoa(c.copies[2])
	b.excuse("status of 401", "/customers/")
	b.excuse("status of 403", "/customers/")
	form.at("radio", "This copy").click()
	form.at("spinbutton", "Number of the copy").fill(free)
	credentials("gone")
	form.at("button", "Rent").click()
	dialog := b.at("dialog", "Log in again")
	dialog.wait()
	b.screenshot("shop-counter-log-in-again")
	b.keys(kb.Escape)
	dialog.gone()
	form.at("button", "Log in again").click()
	credentials(c.give(t, "customers:read"))
	dialog.at("textbox", "Password").fill("secret")
	dialog.at("button", "Log in").click()
	dialog.gone()
	if got := of[string](form.at("spinbutton", "Number of the copy"), "function() { return this.value }"); got != free {
		t.Errorf("after the login the form has %q, want %s", got, free)
	}
	form.at("button", "Rent").click()
	form.at("alert", "").wantText("rentals:write")
	form.wantText("a token from the login has every scope")
	b.screenshot("shop-counter-scope")
	c.door.guard(nil)
	form.at("button", "Try again").click()
	form.wantText("Rented " + c.title)

	// The login survives a reload, and ends with the button.
	b.do(chromedp.Reload())
	b.at("heading", c.name).wait()
	b.at("button", "Log out").click()
	b.at("button", "Log in").wait()
	b.wantFocus("heading", "The counter")
	b.do(chromedp.Reload())
	b.at("button", "Log in").wait()
}

// A member of staff does something else while a write is under way.
func TestShopCounterMeanwhile(t *testing.T) {
	t.Parallel()
	c := newCounterCase(t, start(t))
	c.overdue(t)
	b := startShop(t)
	b.visit(c.door.URL + "/#/counter")
	b.logsIn("secret")
	b.wantShown("Logged in as somebody")

	// Escape does not hide the fee.
	b.turnTo(fmt.Sprintf("#/counter/customers/%d", c.customer))
	b.at("region", "Rented now").at("button", "Return "+c.title).click()
	pressed, let := c.holdWrites()
	b.at("dialog", "Return this copy?").at("button", "Return it").click()
	b.receive(pressed, "the return")
	for range 3 {
		b.keys(kb.Escape)
	}
	close(let)
	returned := b.at("dialog", "Returned")
	returned.wantText("Late fee to collect: $3.00")
	returned.at("button", "Close").click()
	returned.gone()

	// A rental that succeeds after its view has been left does not lead back.
	b.visit(c.door.URL + fmt.Sprintf("/#/counter/customers/%d?film_id=%d", c.customer, c.film))
	b.rental().at("spinbutton", "Member of staff").fill("1")
	pressed, let = c.holdWrites()
	b.rental().at("button", "Rent").click()
	b.receive(pressed, "the rental")
	b.at("navigation", "Views").at("link", "Films").click()
	b.wantFragment("#/films")
	close(let)
	b.until("the end of the rental", func() (bool, error) {
		return see(b, chromedp.Evaluate[bool](`new Promise((done) => setTimeout(done, 50)).then(() => performance.getEntriesByType("resource").some(({ name }) => name.endsWith("/rentals")))`, chromedp.EvalAwaitPromise)), nil
	})
	if got := b.fragment(); got != "#/films" || c.open(t) != 1 {
		t.Errorf("the page is at %s, and %d copies are rented", got, c.open(t))
	}
	c.door.guard(nil)

	// A conflict is over when the copy turns out to have been returned by a colleague.
	b.excuse("status of 409", "/customers/")
	b.turnTo(fmt.Sprintf("#/counter/customers/%d?film_id=%d", c.customer, c.film))
	form := b.rental()
	form.at("spinbutton", "Member of staff").fill("1")
	form.at("button", "Rent").click()
	conflict := form.at("alert", "")
	conflict.wantText("This customer has it already.")
	c.exec(t, `UPDATE rental SET return_date = now() WHERE customer_id = ? AND return_date IS NULL`, c.customer)
	conflict.at("button", "Return it").click()
	b.at("dialog", "Return this copy?").at("button", "Return it").click()
	returned.wantText("This copy was returned before")
	returned.at("button", "Close").click()
	conflict.gone()

	// A conflict is about the film that the request named, although the form names a copy by now.
	other := one[int](t, c.testAPI, `SELECT min(customer_id) FROM customer WHERE active = 1 AND customer_id <> ?`, c.customer)
	c.exec(t, `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) SELECT now(), inventory_id, ?, 1 FROM inventory i WHERE film_id = ? AND store_id = 1
		AND NOT EXISTS (SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND return_date IS NULL)`, other, c.film)
	pressed, let = c.holdWrites()
	form.at("button", "Rent").click()
	b.receive(pressed, "the rental")
	form.at("radio", "This copy").click()
	close(let)
	conflict.wantText("This store has no copy in stock.")
	c.door.guard(nil)

	// A conflict is over when the subscription turns out to have been cancelled. It ended long ago, so the next one starts today.
	c.exec(t, `INSERT INTO streaming_subscription (customer_id, plan_name, start_date) VALUES (?, 'basic', `+today+` - 9)`, c.customer)
	streaming := b.at("region", "Streaming")
	streaming.at("DisclosureTriangle", "Start a subscription").click()
	streaming.like("radio", "Premium").click()
	streaming.at("button", "Subscribe").click()
	streaming.at("alert", "").wantText("a subscription on some of these days.")
	c.exec(t, `UPDATE streaming_subscription SET end_date = start_date + 2 WHERE customer_id = ?`, c.customer)
	streaming.at("alert", "").at("button", "Cancel that one").click()
	b.at("dialog", "Cancel this subscription?").at("button", "Cancel it").click()
	cancelled := b.at("dialog", "Cancelled")
	cancelled.wantText("It had already been cancelled or had ended.")
	cancelled.at("button", "Close").click()
	streaming.at("alert", "").gone()
	streaming.like("Date", "First day").wantValue(one[string](t, c.testAPI, `SELECT (`+today+`)::text`))

	// The next member of staff has another number.
	b.at("button", "Log out").click()
	b.logsIn("secret")
	b.at("heading", c.name).wait()
	if got := of[string](form.at("spinbutton", "Member of staff"), "function() { return this.value }"); got != "" {
		t.Errorf("the member of staff is %q after another login", got)
	}
	b.wantCleanConsole(c.door.URL, 20)
}
