package gen

import (
	"net/url"

	"github.com/gin-gonic/gin"
)

// queryOf returns the parsed query of a request. The generated binding asks for it once for each parameter. If the
// request has been validated, its Form is the query already.
func queryOf(c *gin.Context) url.Values {
	if c.Request.Form == nil {
		c.Request.Form = c.Request.URL.Query()
	}
	return c.Request.Form
}
