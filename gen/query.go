package gen

import (
	"net/url"

	"github.com/gin-gonic/gin"
	"github.com/oapi-codegen/runtime"
)

// bindQuery binds a parameter of the query to dest, in the default style of OpenAPI: form, exploded. It skips an optional
// parameter that the request does not have, for which the runtime package would first allocate a value. It looks for the
// parameter's own name, so it does not support objects, whose members have names of their own.
func bindQuery(c *gin.Context, required bool, name string, dest any, options runtime.BindQueryParameterOptions) error {
	query := queryOf(c)
	if !required && !query.Has(name) {
		return nil
	}
	return runtime.BindQueryParameterWithOptions("form", true, required, name, query, dest, options)
}

// queryOf returns the parsed query of a request. If the request has been validated, its Form is the query already.
func queryOf(c *gin.Context) url.Values {
	if c.Request.Form == nil {
		c.Request.Form = c.Request.URL.Query()
	}
	return c.Request.Form
}
