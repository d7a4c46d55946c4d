package server_test

import (
	"strings"
	"testing"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store/pgtest"
)

// In a large catalogue, a question is answered with how far the films were counted.
func TestMoreThanCounted(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	url := pgtest.New(t)
	pgtest.Grow(t, url, 11)
	a := startOn(t, url)
	page := decode[gen.FilmPage](t, a.get(t, "/films?count=capped&page_size=1").want(t, 200))
	answer := decode[gen.Answer](t, a.call(t, "POST", "/ai/handoff", `{"question":"Which films do you have?"}`).want(t, 200))
	if *page.Total != 10001 || answer.Total != *page.Total || !strings.Contains(answer.Answer, "more than 10000 films, the first 8:\n") {
		t.Errorf("the total is %d, and the answer with a total of %d is\n%s", *page.Total, answer.Total, answer.Answer)
	}
	if all, _ := handOff(t, a, "films in English"); !strings.Contains(all, "more than 10000 films") {
		t.Errorf("the answer is\n%s", all)
	}
	if few, _ := handOff(t, a, "comedies"); !strings.Contains(few, "\n638 films, the first 8:\n") {
		t.Errorf("the answer is\n%s", few)
	}
}
