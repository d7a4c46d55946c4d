package gen

import (
	"net/url"

	"github.com/gin-gonic/gin"
)

// queryKey is the key of the parsed query in Gin's context.
type queryKey struct{}

// SetQuery tells the generated binding the parsed query of a request. It must be that of the request's URL.
func SetQuery(c *gin.Context, query url.Values) { c.Set(queryKey{}, query) }

// queryOf returns the parsed query of a request. The generated binding asks for it once for each parameter.
func queryOf(c *gin.Context) url.Values {
	if query, ok := c.Get(queryKey{}); ok {
		return query.(url.Values)
	}
	query := c.Request.URL.Query()
	SetQuery(c, query)
	return query
}
