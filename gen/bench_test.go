package gen_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"example.com/pagila-api/gen"
)

// bound keeps the parameters that a request was bound to.
type bound struct {
	gen.ServerInterface
	films gen.ListFilmsParams
	film  int32
}

func (b *bound) ListFilms(_ *gin.Context, params gen.ListFilmsParams) { b.films = params }

func (b *bound) GetFilm(_ *gin.Context, id gen.FilmID) { b.film = id }

// BenchmarkBinding binds the parameters of requests.
func BenchmarkBinding(b *testing.B) {
	handler := &bound{}
	wrapper := gen.ServerInterfaceWrapper{Handler: handler, ErrorHandler: func(_ *gin.Context, err error, _ int) { b.Fatal(err) }}
	b.Run("films", func(b *testing.B) {
		c := request(b, "/films?category=Comedy&rating=PG&length_max=120&sort=-length&page_size=20")
		b.ReportAllocs()
		for b.Loop() {
			wrapper.ListFilms(c)
		}
		if *handler.films.LengthMax != 120 || len(handler.films.Category) != 1 {
			b.Errorf("%+v", handler.films)
		}
	})
	b.Run("film", func(b *testing.B) {
		c := request(b, "/films/500")
		c.Params = gin.Params{{Key: "film_id", Value: "500"}}
		b.ReportAllocs()
		for b.Loop() {
			wrapper.GetFilm(c)
		}
		if handler.film != 500 {
			b.Errorf("film %d", handler.film)
		}
	})
}

func request(b *testing.B, target string) *gin.Context {
	b.Helper()
	gin.SetMode(gin.ReleaseMode)
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequest(http.MethodGet, target, nil)
	return c
}
