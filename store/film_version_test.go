package store

import "testing"

// The version of a film stays the same from one release to the next, because clients keep it.
func TestFilmVersionStays(t *testing.T) {
	t.Parallel()
	film := FilmDetail{
		Film: Film{
			FilmID: 5, Title: "AFRICAN <EGG> & É", ReleaseYear: 2006, Language: "English", Rating: "G", Length: 130,
			RentalRate: "2.99", RentalDuration: 6, SpecialFeatures: []string{"Deleted Scenes"}, StreamingAvailable: true,
		},
		Categories:   []string{"Family"},
		Actors:       []Actor{{ActorID: 51, FirstName: "GARY", LastName: "PHOENIX"}},
		Availability: []Availability{{StoreID: 2, Copies: 3, InStock: 2}},
		Version:      "of an earlier state",
	}
	film.setVersion()
	if film.Version != "02a4f1cde01ae114616dda320a6e64a5" {
		t.Errorf("the version is %s", film.Version)
	}
	var empty FilmDetail
	empty.setVersion()
	if empty.Version != "87550b3d121bea71680b3fe4b9e9111b" {
		t.Errorf("the version of a film without anything is %s", empty.Version)
	}
}
