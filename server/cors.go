package server

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"
	"github.com/rs/cors"
)

// anyOrigin is the entry of [Deps.Origins] that stands for all.
const anyOrigin = "*"

// preflightMaxAge is how long a browser remembers what a preflight request has told it. Chromium keeps
// none for longer.
const preflightMaxAge = 2 * time.Hour

// newCORS makes what tells browsers that pages of these origins may use the API. A page sends the token
// as a header, so it may send any header, and there are no cookies that another page could use.
func newCORS(origins []string, contract *openapi3.T) (*cors.Cors, error) {
	allowed := make([]string, len(origins))
	for i, entry := range origins {
		var err error
		if allowed[i], err = ParseOrigin(entry); err != nil {
			return nil, err
		}
	}
	headers := map[string]bool{"Allow": true} // of a 405, which no operation has
	for _, item := range contract.Paths.Map() {
		for _, op := range item.Operations() {
			for _, response := range op.Responses.Map() {
				for name := range response.Value.Headers {
					headers[http.CanonicalHeaderKey(name)] = true
				}
			}
		}
	}
	return cors.New(cors.Options{
		AllowedOrigins: allowed,
		// Also those that no operation has: the page can then read that it is so.
		AllowedMethods: []string{
			http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		},
		AllowedHeaders:     []string{"*"},
		ExposedHeaders:     slices.Sorted(maps.Keys(headers)),
		MaxAge:             int(preflightMaxAge.Seconds()),
		OptionsPassthrough: true, // so that a preflight request is logged like any other
	}), nil
}

// oneOrigin removes the header Origin from a request that has several: no browser sends that.
func oneOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header["Origin"]) > 1 {
			r.Header.Del("Origin")
		}
		next.ServeHTTP(w, r)
	})
}

// isPreflight says whether a browser asks if a page may send a request.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// preflight is the middleware that ends preflight requests. What they ask for is answered by then.
func (s *Server) preflight(c *gin.Context) {
	if len(s.deps.Origins) > 0 && isPreflight(c.Request) {
		c.AbortWithStatus(http.StatusNoContent)
	}
}

// ParseOrigin reads an entry of [Deps.Origins]: an origin as browsers send it, such as
// https://app.example.com or http://localhost:5173, or * for any.
func ParseOrigin(entry string) (string, error) {
	entry = strings.TrimSpace(entry)
	if entry == anyOrigin {
		return entry, nil
	}
	if entry == "null" {
		return "", errors.New(`"null" is the origin of files and sandboxed pages, anyone's among them, and cannot be allowed`)
	}
	u, err := url.Parse(entry)
	if err != nil || u.Scheme == "" || u.Hostname() == "" {
		return "", fmt.Errorf("%q is not an origin, which is scheme://host or scheme://host:port", entry)
	}
	rest := *u
	rest.Scheme, rest.Host = "", ""
	switch {
	case u.Path == "/":
		return "", fmt.Errorf("%q has a slash at its end, which no origin has", entry)
	case rest != url.URL{}:
		return "", fmt.Errorf("%q has more than an origin, which is scheme://host or scheme://host:port", entry)
	case strings.Contains(u.Host, "*"):
		return "", fmt.Errorf("%q has a wildcard: write each origin out, or * alone for any", entry)
	case !validHost(u):
		return "", fmt.Errorf("%q has a host or port that no browser sends: write names beyond ASCII in Punycode, and ports as 1 to 65535", entry)
	}
	host := u.Host
	if port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]; port != "" {
		host = strings.TrimSuffix(host, port) // browsers leave the usual port out
	}
	return u.Scheme + "://" + strings.ToLower(host), nil
}

// validHost says whether a URL's host is in ASCII and its port, if any, is a port.
func validHost(u *url.URL) bool {
	if strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"%,;<>\^{|}`, r) }) {
		return false
	}
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return u.Port() == "" || err == nil && port > 0
}
