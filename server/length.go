package server

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"example.com/pagila-api/gen"
)

// jsonMediaType is the type of the responses that the generated code writes at once.
const jsonMediaType = "application/json"

// headBuffer is the size up to which net/http finds out by itself how long a response is.
const headBuffer = 2048

// sized gives responses with JSON a Content-Length. Without one, net/http sends a response of more than headBuffer bytes in
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

// wholeWriter writes a response whose body, if it is JSON, is written at once.
type wholeWriter struct{ gin.ResponseWriter }

// Write implements io.Writer.
func (w wholeWriter) Write(body []byte) (int, error) {
	header := w.Header()
	if len(body) > headBuffer && !w.Written() && header.Get("Content-Length") == "" && header.Get("Content-Type") == jsonMediaType {
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return w.ResponseWriter.Write(body)
}

// Unwrap is for http.ResponseController.
func (w wholeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
