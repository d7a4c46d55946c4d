package server

import (
	"net/http"
	"testing"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store"
)

// A kind of row that this package does not know never leads to an empty code.
func TestEveryKindHasACode(t *testing.T) {
	t.Parallel()
	codes := map[store.Kind]gen.ProblemCode{
		store.KindFilm:     gen.ProblemCodeFilmNotFound,
		store.KindCustomer: gen.ProblemCodeCustomerNotFound,
		store.KindRental:   gen.ProblemCodeRentalNotFound,
	}
	for kind := store.Kind(-1); kind < 100; kind++ { // those that do not exist, too
		missing := problemOf(&store.NotFoundError{Kind: kind, ID: 7})
		if want, specific := codes[kind]; missing.Status != http.StatusNotFound || !missing.Code.Valid() || specific && missing.Code != want {
			t.Errorf("missing %s: status %d, code %q", kind, missing.Status, missing.Code)
		}
		reference := problemOf(&store.UnknownReferenceError{References: []store.Reference{{Kind: kind, ID: 7}}})
		if reference.Code != gen.ProblemCodeUnknownReference {
			t.Errorf("reference to %s: code %q", kind, reference.Code)
		}
		if pointer := *reference.Errors[0].Pointer; pointer != "#/"+kind.String()+"_id" {
			t.Errorf("reference to %s: pointer %q", kind, pointer)
		}
	}
}
