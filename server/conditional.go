package server

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// errUnconditional means that a change of a film does not name the state that the client has read.
var errUnconditional = errors.New("no ETag in If-Match")

// entityTag matches an entity tag (RFC 9110, section 8.8.3).
var entityTag = regexp.MustCompile(`(W/)?"([!#-~\x80-\xff]*)"`)

// etag returns the strong entity tag of a version.
func etag(version string) string { return `"` + version + `"` }

// unchanged reports whether the client of a request has this version, by If-None-Match. The comparison is weak
// (RFC 9110, section 13.1.2).
func unchanged(r *http.Request, version string) bool {
	header := strings.Join(r.Header.Values("If-None-Match"), ",") // several lines are one list
	return strings.TrimSpace(header) == "*" || slices.Contains(versionsIn(header, true), version)
}

// knownVersions returns the versions that If-Match names. The comparison is strong, so weak entity tags do not
// count (RFC 9110, section 13.1.1). The value * matches any state, which does not prevent a lost update. It gives
// errUnconditional, as no header does.
func knownVersions(ifMatch *string) ([]string, error) {
	if ifMatch == nil || *ifMatch == "*" {
		return nil, errUnconditional
	}
	return versionsIn(*ifMatch, false), nil
}

// versionsIn returns the versions of the entity tags in a header.
func versionsIn(header string, weak bool) []string {
	var versions []string
	for _, tag := range entityTag.FindAllStringSubmatch(header, -1) {
		if weak || tag[1] == "" {
			versions = append(versions, tag[2])
		}
	}
	return versions
}
