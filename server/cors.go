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
	"github.com/rs/cors"

	"example.com/pagila-api/server/internal/contract"
)

// anyOrigin is the entry of [Deps.Origins] that allows all origins.
const anyOrigin = "*"

// preflightMaxAge is how long a browser caches the response to a preflight request. Chromium allows no
// more.
const preflightMaxAge = 2 * time.Hour

// newCORS returns the handler that allows pages of these origins to use the API in a browser. Pages send
// the token as a header, so any header is allowed. There are no cookies that another page could abuse: the one that
// [bookmarks] sends allows nothing.
func newCORS(origins []string, doc *openapi3.T) *cors.Cors {
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		// These include methods that no operation has, so that a page can read the 405.
		AllowedMethods: []string{
			http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		},
		AllowedHeaders:     []string{"*"},
		ExposedHeaders:     responseHeaders(doc),
		MaxAge:             int(preflightMaxAge.Seconds()),
		OptionsPassthrough: true, // a preflight request is then logged like any other
	})
}

// parseOrigins parses all entries of [Deps.Origins].
func parseOrigins(entries []string) ([]string, error) {
	origins := make([]string, len(entries))
	for i, entry := range entries {
		var err error
		if origins[i], err = ParseOrigin(entry); err != nil {
			return nil, err
		}
	}
	return origins, nil
}

// responseHeaders returns all headers that the contract documents, and Allow of a 405, which belongs to no
// operation. No page can read Set-Cookie.
func responseHeaders(doc *openapi3.T) []string {
	headers := map[string]bool{"Allow": true}
	for _, op := range contract.Operations(doc) {
		for _, response := range op.Spec().Responses.Map() {
			for name := range response.Value.Headers {
				headers[http.CanonicalHeaderKey(name)] = true
			}
		}
	}
	delete(headers, "Set-Cookie")
	return slices.Sorted(maps.Keys(headers))
}

// dropRepeatedOrigin removes the header Origin from a request that has several, which no browser sends.
func dropRepeatedOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header["Origin"]) > 1 {
			r.Header.Del("Origin")
		}
		next.ServeHTTP(w, r)
	})
}

// isPreflight reports whether a request is a preflight request that the CORS handler has processed.
func (s *Server) isPreflight(r *http.Request) bool {
	return len(s.deps.Origins) > 0 && contract.IsPreflight(r)
}

// ParseOrigin parses an entry of [Deps.Origins]: an origin as browsers send it, such as
// https://app.example.com or http://localhost:5173, or * for any.
func ParseOrigin(entry string) (string, error) {
	entry = strings.TrimSpace(entry)
	if entry == anyOrigin {
		return entry, nil
	}
	if entry == "null" {
		return "", errors.New(`"null" is the origin of all local files and sandboxed pages, so it cannot be allowed`)
	}
	u, err := url.Parse(entry)
	if err != nil || u.Scheme == "" || u.Hostname() == "" {
		return "", fmt.Errorf("%q is not an origin: want scheme://host or scheme://host:port", entry)
	}
	rest := *u
	rest.Scheme, rest.Host = "", ""
	switch {
	case u.Path == "/":
		return "", fmt.Errorf("%q ends with a slash: remove it", entry)
	case rest != url.URL{}:
		return "", fmt.Errorf("%q contains more than an origin: want scheme://host or scheme://host:port", entry)
	case strings.Contains(u.Host, "*"):
		return "", fmt.Errorf("%q contains a wildcard: list each origin, or use * alone for any", entry)
	case !validHost(u):
		return "", fmt.Errorf("%q has a host or port that no browser sends: write non-ASCII names in Punycode, and ports from 1 to 65535", entry)
	}
	host := u.Host
	if port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]; port != "" {
		host = strings.TrimSuffix(host, port) // browsers omit the default port
	}
	return u.Scheme + "://" + strings.ToLower(host), nil
}

// validHost reports whether a URL's host is ASCII and its port, if any, is valid.
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
