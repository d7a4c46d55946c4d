package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"example.com/pagila-api/gen"
)

// weak makes a weak entity tag of a strong one.
func weak(tag string) string { return "W/" + tag }

// A film that the client has is not sent again. The comparison is weak, and the header may be a list.
func TestIfNoneMatch(t *testing.T) {
	t.Parallel()
	a := start(t)
	whole := a.get(t, "/films/1").want(t, 200)
	tag := whole.header.Get("ETag")
	if film := decode[gen.FilmDetail](t, whole); film.Etag != tag || len(tag) < 10 {
		t.Errorf("the ETag is %s in the header and %s in the body", tag, film.Etag)
	}
	if again := a.get(t, "/films/1").header.Get("ETag"); again != tag {
		t.Errorf("the ETag was %s and is %s", tag, again)
	}
	if cache := whole.header.Get("Cache-Control"); cache != "no-cache" {
		t.Errorf("Cache-Control is %q, so a browser does not ask with If-None-Match", cache)
	}
	if other := a.get(t, "/films/2").header.Get("ETag"); other == tag {
		t.Errorf("two films have the ETag %s", tag)
	}
	for _, lines := range [][]string{
		{tag}, {weak(tag)}, {"*"}, {" * "}, {`"x", ` + tag}, {weak(`"x"`) + "," + weak(tag) + `,"y"`}, {`"a,b", ` + tag}, {`"x"`, tag}, {"", tag}, {", ," + tag + ","}, {`"é", ` + tag},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			var headers []string
			for _, line := range lines {
				headers = append(headers, "If-None-Match", line)
			}
			got := a.call(t, method, "/films/1", "", headers...).want(t, 304)
			if got.header.Get("ETag") != tag || len(got.body) > 0 || got.header.Get("Content-Type") != "" || got.header.Get("X-Request-Id") == "" {
				t.Errorf("%s with %q: %v %s", method, lines, got.header, got.body)
			}
		}
	}
	for _, line := range []string{"", `""`, `"x"`, weak(`"x"`), strings.Trim(tag, `"`), tag[:len(tag)-1], strings.ToUpper(tag), `"` + tag + `"x`, "**", `"*"`, "nonsense", "W/", "w/*"} {
		a.get(t, "/films/1", "If-None-Match", line).want(t, 200)
	}
	// A film that does not exist has no state, and a request that is invalid none either.
	a.get(t, "/films/2147483647", "If-None-Match", "*").wantProblem(t, 404, "film_not_found")
	a.get(t, "/films/0", "If-None-Match", "*").wantProblem(t, 400, "invalid_request")
	// Other operations ignore the header.
	a.get(t, "/films", "If-None-Match", "*").want(t, 200)
}

// Whatever changes in a film or in its stock changes the ETag.
func TestETagChanges(t *testing.T) {
	t.Parallel()
	a := start(t)
	film := a.stock(t, map[int32]int{1: 2})
	path := fmt.Sprintf("/films/%d", film)
	seen := map[string]string{}
	look := func(what string) {
		t.Helper()
		tag := a.get(t, path).want(t, 200).header.Get("ETag")
		if before, known := seen[tag]; known {
			t.Errorf("the ETag after %q is that after %q", what, before)
		}
		seen[tag] = what
	}
	look("the start")
	for _, statement := range []string{
		`UPDATE film SET title = 'RENAMED' WHERE film_id = ?`,
		`UPDATE film SET description = 'NEW' WHERE film_id = ?`,
		`UPDATE film SET rental_rate = rental_rate + 0.01 WHERE film_id = ?`,
		`UPDATE film SET length = 1 WHERE film_id = ?`,
		`UPDATE film SET streaming_available = true WHERE film_id = ?`,
		`INSERT INTO film_category (film_id, category_id) VALUES (?, 1)`,
		`INSERT INTO film_actor (film_id, actor_id) VALUES (?, 1)`,
		`UPDATE actor SET last_name = 'NEW' WHERE actor_id = 1 AND ? > 0`,
		`INSERT INTO inventory (film_id, store_id) VALUES (?, 2)`,
	} {
		a.exec(t, statement, film)
		look(statement)
	}
	rental := decode[gen.Rental](t, a.post(t, "/customers/1/rentals", fmt.Sprintf(`{"film_id": %d, "store_id": 1, "staff_id": 1}`, film)).want(t, 201))
	look("a rental")
	stale := a.get(t, path).header.Get("ETag")
	a.post(t, fmt.Sprintf("/customers/1/rentals/%d/return", rental.RentalID), "").want(t, 200)
	a.patch(t, path, `{"streaming_available": false}`, stale).wantProblem(t, 412, "precondition_failed")
	// The film is what it was before the rental, and so is its ETag.
	if got := a.get(t, path).want(t, 200).header.Get("ETag"); got == stale || seen[got] == "" {
		t.Errorf("the ETag after the return is %s", got)
	}
}

// A change needs a strong ETag of the film as it is. Without one, or with another one, nothing is written.
func TestIfMatch(t *testing.T) {
	t.Parallel()
	a := start(t)
	const body = `{"streaming_available": true}`
	tag := a.get(t, "/films/1").want(t, 200).header.Get("ETag")
	other := a.get(t, "/films/2").want(t, 200).header.Get("ETag")
	refused := func(status int, code gen.ProblemCode, lines ...string) gen.Problem {
		t.Helper()
		return a.patch(t, "/films/1", body, lines...).wantProblem(t, status, code)
	}
	if p := refused(428, "precondition_required"); !strings.Contains(p.Detail, "If-Match") {
		t.Errorf("the detail is %q", p.Detail)
	}
	refused(428, "precondition_required", "*")
	for _, line := range []string{weak(tag), other, `""`, `"x"`, `"x", ` + weak(tag), strings.ToUpper(tag), `"x", "y"`, `"` + strings.Repeat("x", 10_000) + `"`} {
		if p := refused(412, "precondition_failed", line); !strings.Contains(p.Detail, "Read the film again") {
			t.Errorf("the detail is %q", p.Detail)
		}
	}
	refused(412, "precondition_failed", `"x"`, weak(tag))
	for _, line := range []string{
		"", strings.Trim(tag, `"`), tag[:len(tag)-1], "nonsense", "*, " + tag, tag + ", *", tag + ",", tag + " " + tag, "w/" + tag, `"a b"`, `"é"`, `"` + "\x80" + `"`,
		strings.Repeat("x", 10_000), "W/*", "'" + tag + "'", "%22", `\"a\"`,
	} {
		p := a.patch(t, "/films/1", body, line).wantFaults(t, 400, "invalid_request", "If-Match")
		if last := p.Errors[len(p.Errors)-1]; !strings.Contains(last.Detail, "ETags in double quotes") {
			t.Errorf("%.80s: the detail is %q", line, last.Detail)
		}
	}
	refused(400, "invalid_request", "*", tag)
	// These come first: without the token or a valid body, the client does not learn whether the ETag is right.
	a.call(t, http.MethodPatch, "/films/1", body, "If-Match", `"x"`).wantProblem(t, 401, "missing_token")
	for _, wrong := range []string{`{}`, `{"streaming_available": "true"}`, `{"streaming_available": null}`, `{"streaming_available": 1}`, `{"streaming_available": true, "title": "X"}`, `[]`} {
		a.patch(t, "/films/1", wrong, tag).wantProblem(t, 400, "invalid_request")
	}
	a.patch(t, "/films/2147483647", body, tag).wantProblem(t, 404, "film_not_found")
	a.patch(t, "/films/0", body, tag).wantFaults(t, 400, "invalid_request", "film_id")
	if one[bool](t, a, `SELECT streaming_available FROM film WHERE film_id = 1`) || a.get(t, "/films/1").header.Get("ETag") != tag {
		t.Error("a refused request has changed the film")
	}
	// One of several ETags is enough, in one line or in several.
	for i, lines := range [][]string{{tag}, {`"x", W/"y",` + "\t" + `TAG , "z"`}, {`"x"`, "TAG"}} {
		current := a.get(t, "/films/1").header.Get("ETag")
		for j := range lines {
			lines[j] = strings.ReplaceAll(lines[j], "TAG", current)
		}
		changed := a.patch(t, "/films/1", fmt.Sprintf(`{"streaming_available": %t}`, i%2 == 0), lines...).want(t, 200)
		if film := decode[gen.FilmDetail](t, changed); film.StreamingAvailable != (i%2 == 0) || changed.header.Get("ETag") != film.Etag || film.Etag == current {
			t.Errorf("%q: the film is %s", lines, changed.body)
		}
	}
}

// A change to what is there already succeeds and keeps the ETag.
func TestIdenticalUpdate(t *testing.T) {
	t.Parallel()
	a := start(t)
	tag := a.get(t, "/films/1").header.Get("ETag")
	for range 2 {
		if got := a.patch(t, "/films/1", `{"streaming_available": false}`, tag).want(t, 200).header.Get("ETag"); got != tag {
			t.Errorf("the ETag was %s and is %s", tag, got)
		}
	}
}

// Of many clients that change a film as they have all read it, one succeeds.
func TestUpdatesAtOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	tag := a.get(t, "/films/1").header.Get("ETag")
	responses := make([]*received, 30)
	var wg sync.WaitGroup
	for i := range responses {
		wg.Go(func() { responses[i] = a.patch(t, "/films/1", `{"streaming_available": true}`, tag) })
	}
	wg.Wait()
	changed := 0
	for _, r := range responses {
		if r.status == http.StatusOK {
			changed++
			continue
		}
		r.wantProblem(t, 412, "precondition_failed")
	}
	if changed != 1 {
		t.Errorf("%d clients changed the film, want 1", changed)
	}
}

// What can be streamed is a condition of the list of films.
func TestStreamingFilms(t *testing.T) {
	t.Parallel()
	a := start(t)
	if page := decode[gen.FilmPage](t, a.get(t, "/films?streaming_available=true").want(t, 200)); len(page.Items) != 0 {
		t.Errorf("%d films can be streamed", len(page.Items))
	}
	a.patch(t, "/films/2", `{"streaming_available": true}`, a.get(t, "/films/2").header.Get("ETag")).want(t, 200)
	if page := decode[gen.FilmPage](t, a.get(t, "/films?streaming_available=true").want(t, 200)); len(page.Items) != 1 || page.Items[0].FilmID != 2 {
		t.Errorf("the films are %+v", page.Items)
	}
}
