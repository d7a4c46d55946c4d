package server

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/gin-gonic/gin"
)

// A body that is written in two parts is complete, whether its handler says how long it is or not.
func TestBodyInTwoWrites(t *testing.T) {
	t.Parallel()
	gin.SetMode(gin.ReleaseMode)
	part := bytes.Repeat([]byte(" "), headBuffer+1)
	for _, media := range []string{"text/css", "application/problem+json", jsonMediaType} {
		engine := gin.New()
		engine.GET("/", func(c *gin.Context) {
			w := wholeWriter{c.Writer}
			w.Header().Set("Content-Type", media)
			if media == jsonMediaType {
				w.Header().Set("Content-Length", strconv.Itoa(2*len(part)))
			}
			w.Write(part)
			w.Write(part)
		})
		at := httptest.NewServer(engine)
		t.Cleanup(at.Close)
		response, err := http.Get(at.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || len(body) != 2*len(part) {
			t.Errorf("%s: %d of %d bytes, %v", media, len(body), 2*len(part), err)
		}
	}
}
