package server

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// prefers reports whether a client prefers a media type to the default, which it gets if it accepts both equally.
func prefers(r *http.Request, mediaType, byDefault string) bool {
	accept := r.Header.Values("Accept")
	return weight(accept, mediaType) > weight(accept, byDefault)
}

// weight returns the weight of a media type in the Accept header (RFC 9110, section 12.5.1): that of the
// most specific range that includes it, or 0 if none does. Malformed ranges are ignored.
func weight(accept []string, mediaType string) float64 {
	best, found := 0.0, 0
	for _, line := range accept {
		for _, part := range splitList(line) {
			mediaRange, params, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			q, ok := quality(params)
			specificity := specificity(mediaRange, mediaType)
			if !ok || specificity == 0 || specificity < found {
				continue
			}
			if specificity > found || q > best {
				best, found = q, specificity
			}
		}
	}
	return best
}

// quality returns the weight of one range. The default is 1.
func quality(params map[string]string) (q float64, ok bool) {
	text, given := params["q"]
	if !given {
		return 1, true
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil || q-q != 0 { // not a number, or infinite
		return 0, false
	}
	return min(max(q, 0), 1), true
}

// specificity returns how closely a range describes a media type, or 0 if it does not include it.
func specificity(mediaRange, mediaType string) int {
	kind, _, _ := strings.Cut(mediaType, "/")
	switch mediaRange {
	case mediaType:
		return 3
	case kind + "/*":
		return 2
	case "*/*":
		return 1
	default:
		return 0
	}
}

// splitList splits the value of a header at its commas, except those in quoted strings.
func splitList(value string) []string {
	var parts []string
	begin, quoted := 0, false
	for i := 0; i < len(value); i++ {
		switch {
		case quoted && value[i] == '\\':
			i++
		case value[i] == '"':
			quoted = !quoted
		case value[i] == ',' && !quoted:
			parts = append(parts, value[begin:i])
			begin = i + 1
		}
	}
	return append(parts, value[begin:])
}
