package server

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"example.com/pagila-api/gen"
)

// headBuffer is the size up to which net/http finds out by itself how long a response is.
const headBuffer = 2048

// sized gives responses a Content-Length. Without one, net/http sends a response of more than headBuffer bytes in
// chunks, of which the last, empty one takes a system call and a packet of its own.
func sized(handle gen.StrictHandlerFunc, _ string) gen.StrictHandlerFunc {
	return func(c *gin.Context, request any) (any, error) {
		response, err := handle(c, request)
		if _, isStream := response.(streamedAnswer); !isStream {
			c.Writer = wholeWriter{c.Writer}
		}
		return response, err
	}
}

// wholeWriter writes a response whose body is written at once, as the generated code does.
type wholeWriter struct{ gin.ResponseWriter }

// Write implements io.Writer.
func (w wholeWriter) Write(body []byte) (int, error) {
	if len(body) > headBuffer && !w.Written() {
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	return w.ResponseWriter.Write(body)
}

// Unwrap is for http.ResponseController.
func (w wholeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
