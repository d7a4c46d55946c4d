package contract

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

var (
	// ErrMediaType means that the operation does not accept the media type of the request's body.
	ErrMediaType = errors.New("unsupported media type")
	// ErrContentCoding means that the request's body is compressed.
	ErrContentCoding = errors.New("unsupported content coding")
)

// InvalidError means that a request does not follow the contract.
type InvalidError struct{ Places []Place }

func (e *InvalidError) Error() string { return fmt.Sprintf("invalid request: %+v", e.Places) }

// Place is a part of a request that does not follow the contract. If neither Parameter nor Pointer is
// set, it is the query string or the body as a whole.
type Place struct {
	Parameter string // the name of a parameter
	Pointer   string // a JSON pointer into the body, as a URI fragment
	Detail    string
	Rule      string // the keyword of JSON Schema that the value violates, if known
}

// Invalid returns the error for a request that is invalid in one place.
func Invalid(place Place) *InvalidError { return &InvalidError{Places: []Place{place}} }

// Violates reports whether the value at this pointer violates a keyword of JSON Schema.
func (e *InvalidError) Violates(rule, pointer string) bool {
	return slices.ContainsFunc(e.Places, func(p Place) bool { return p.Rule == rule && p.Pointer == pointer })
}

// RegisterFormats replaces kin-openapi's check of days, which accepts 30 February. kin-openapi has one set of formats for
// the whole process.
func RegisterFormats() { registerFormats() }

var registerFormats = sync.OnceFunc(func() {
	openapi3.DefineStringFormatValidator("date", openapi3.NewCallbackValidator(checkDay))
})

// checkDay checks that a text is a day of the years 1 to 9999, as RFC 3339 writes it.
func checkDay(text string) error {
	day, err := time.Parse(time.DateOnly, text)
	if err == nil && day.Year() == 0 {
		err = errors.New("there is no year 0")
	}
	return err
}

// validation are kin-openapi's options for parameters.
var validation = &openapi3filter.Options{MultiError: true}

// Validate checks a request and the values of its path parameters, and adds the defaults of the contract to its query,
// which it returns. [RegisterFormats] has to be called first. The error is an [InvalidError], [ErrMediaType],
// [ErrContentCoding] or an [http.MaxBytesError].
//
// The published Gin middleware for kin-openapi turns 401, 413 and 415 into 400 and flattens all errors
// into one string, so the server does not use it.
func (o *Operation) Validate(r *http.Request, path map[string]string) (url.Values, error) {
	query, err := checkStrings(r.URL, path, o.query)
	if err != nil {
		return nil, err
	}
	if err := checkContent(r, o.body); err != nil {
		return nil, err
	}
	joinLines(r.Header, o.headers)
	found := o.checkParameters(r, path, query)
	if o.body != nil {
		inBody, err := o.checkBody(r)
		if err != nil {
			return nil, UnreadBody(err)
		}
		found = append(found, inBody...)
	}
	if found != nil {
		// A value that violates several rules is often reported with the same words.
		same := func(a, b Place) bool { a.Rule = b.Rule; return a == b }
		return nil, &InvalidError{Places: slices.CompactFunc(found, same)}
	}
	o.addDefaults(r.URL, query)
	return query, nil
}

// checkParameters returns the parameters that are not valid. kin-openapi's own loop over the parameters decodes those
// that the request does not have as well, and most requests have few.
func (o *Operation) checkParameters(r *http.Request, path map[string]string, query url.Values) (found []Place) {
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: path, QueryParams: query, Route: o.route, Options: validation,
	}
	for _, p := range o.parameters {
		if !p.Required && !hasParameter(input, p.Parameter) || p.accepts(input) {
			continue
		}
		if err := openapi3filter.ValidateParameter(r.Context(), input, p.Parameter); err != nil {
			found = append(found, places(err, nil)...)
		}
	}
	return found
}

// checkBody returns what is not valid in the body, and leaves the request with the value that was validated. The error is
// the reason why the body could not be read.
//
// kin-openapi's own function for bodies passes a decoder what it has read as another reader, so the body is copied twice.
// With it, the validation of a rental takes a third longer.
func (o *Operation) checkBody(r *http.Request) (found []Place, unread error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	value, err := o.decodeBody(mediaTypeOf(r.Header), data)
	if err != nil {
		found = places(err, nil)
	} else {
		r.Body = validatedBody{io.NopCloser(bytes.NewReader(data)), value}
	}
	return found, nil
}

func hasParameter(input *openapi3filter.RequestValidationInput, p *openapi3.Parameter) bool {
	switch p.In {
	case openapi3.ParameterInQuery:
		return input.QueryParams.Has(p.Name)
	case openapi3.ParameterInHeader:
		return len(input.Request.Header.Values(p.Name)) > 0
	default:
		return true
	}
}

// addDefaults adds the query parameters that the request lacks and the contract has a default for.
func (o *Operation) addDefaults(u *url.URL, query url.Values) {
	added := false
	for name, value := range o.defaults {
		if !query.Has(name) {
			query.Set(name, value)
			added = true
		}
	}
	if added {
		u.RawQuery = query.Encode()
	}
}

// checkContent rejects a compressed body and a media type that the operation does not accept.
func checkContent(r *http.Request, accepted openapi3.Content) error {
	if r.ContentLength == 0 {
		return nil
	}
	if accepted == nil {
		return checkNoBody(r)
	}
	if isEncoded(r.Header) {
		return ErrContentCoding
	}
	mediaType := mediaTypeOf(r.Header)
	if accepted[mediaType] == nil {
		return ErrMediaType
	}
	// No parameter of these media types has a meaning, so a malformed one does no harm. The code that
	// reads the header after this is stricter.
	r.Header.Set("Content-Type", mediaType)
	return nil
}

// checkNoBody rejects a body that a writing operation would ignore. What is in it may be important to the client.
func checkNoBody(r *http.Request) error {
	if Method(r) == http.MethodGet {
		return nil
	}
	switch _, err := io.ReadFull(r.Body, make([]byte, 1)); {
	case err == nil:
		return Invalid(Place{Pointer: "#", Detail: "this operation takes no body"})
	case errors.Is(err, io.EOF):
		return nil
	default:
		return UnreadBody(err)
	}
}

// joinLines makes one line of the lines of each of these headers (RFC 9110, section 5.3). The binding rejects
// several.
func joinLines(header http.Header, names []string) {
	for _, name := range names {
		if lines := header[name]; len(lines) > 1 {
			header[name] = []string{strings.Join(lines, ", ")}
		}
	}
}

func isEncoded(header http.Header) bool {
	for _, line := range header.Values("Content-Encoding") {
		for coding := range strings.SplitSeq(line, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return true
			}
		}
	}
	return false
}

// mediaTypeOf returns the media type without its parameters, or "" unless the header has exactly one.
func mediaTypeOf(header http.Header) string {
	lines := header.Values("Content-Type")
	if len(lines) != 1 {
		return ""
	}
	mediaType, _, _ := strings.Cut(lines[0], ";")
	return strings.ToLower(strings.TrimSpace(mediaType))
}

const (
	badString = "the value contains a NUL character or is not valid UTF-8"
	repeated  = "the parameter appears more than once"
)

// checkStrings rejects what the contract cannot express: a malformed query string, unknown, repeated and
// empty query parameters (kin-openapi would replace an empty value by the default), and strings that
// PostgreSQL cannot store. It returns the parsed query.
func checkStrings(u *url.URL, path map[string]string, known map[string]*openapi3.Schema) (url.Values, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, Invalid(Place{Detail: "the query string is malformed: " + err.Error()})
	}
	var places []Place
	for _, name := range names(query) {
		if name == "" {
			places = append(places, Place{Detail: "the query string has a parameter without a name"})
		} else if known[name] == nil {
			places = append(places, Place{Parameter: printable(name), Detail: "the operation has no such query parameter"})
		} else if detail := checkQueryValues(query[name], known[name]); detail != "" {
			places = append(places, Place{Parameter: name, Detail: detail})
		}
	}
	for _, name := range names(path) {
		if !storable(path[name]) {
			places = append(places, Place{Parameter: name, Detail: badString})
		}
	}
	if places != nil {
		return nil, &InvalidError{Places: places}
	}
	return query, nil
}

// names returns the names of parameters in their order.
func names[V any](parameters map[string]V) []string {
	all := slices.AppendSeq(make([]string, 0, len(parameters)), maps.Keys(parameters))
	slices.Sort(all)
	return all
}

func checkQueryValues(values []string, schema *openapi3.Schema) (detail string) {
	isBoolean := schema.Type.Is(openapi3.TypeBoolean)
	switch {
	case len(values) > 1 && !schema.Type.Is(openapi3.TypeArray):
		return repeated
	case slices.Contains(values, ""):
		return "the value is empty"
	case slices.ContainsFunc(values, func(v string) bool { return !storable(v) }):
		return badString
	case isBoolean && values[0] != "true" && values[0] != "false": // kin-openapi also takes t and 1
		return "the value must be true or false"
	default:
		return ""
	}
}

// storable reports whether PostgreSQL can store s.
func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// printable makes a name that a client invented fit to be sent back.
func printable(s string) string {
	const longest = 100
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return s
}

// UnreadBody translates the reason why a body could not be read. The result is an [http.MaxBytesError] or
// an [InvalidError].
func UnreadBody(reason error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(reason, &tooLarge):
		return tooLarge
	case errors.Is(reason, os.ErrDeadlineExceeded):
		return Invalid(Place{Detail: "the body was not received in time"})
	default:
		return Invalid(Place{Detail: "the body ended before it was complete"})
	}
}

// places flattens kin-openapi's tree of errors. in is the closest RequestError above err, if any.
func places(err error, in *openapi3filter.RequestError) []Place {
	switch e := err.(type) { //nolint:errorlint // it walks the tree node by node
	case openapi3.MultiError:
		var all []Place
		for _, each := range e {
			all = append(all, places(each, in)...)
		}
		if all == nil { // otherwise the request would be taken for valid
			all = []Place{newPlace(in, nil, "the value is not valid")}
		}
		return all
	case *openapi3filter.RequestError:
		return places(e.Err, e)
	case *openapi3.SchemaError:
		pointer := append(e.JSONPointer(), unknownMember(e)...)
		place := newPlace(in, pointer, cmp.Or(expectedInteger(e.Schema), expectedString(e), e.Reason))
		place.Rule = e.SchemaField
		return []Place{place}
	case *openapi3filter.ParseError:
		return []Place{newPlace(in, nil, parseDetail(e, in.Parameter))}
	default:
		return []Place{newPlace(in, nil, err.Error())}
	}
}

func newPlace(in *openapi3filter.RequestError, pointer []string, detail string) Place {
	if in != nil && in.Parameter != nil {
		return Place{Parameter: in.Parameter.Name, Detail: detail}
	}
	// RFC 6901, section 6. The names come from the contract or from the client.
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	b.WriteByte('#')
	for _, token := range pointer {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(escape.Replace(token)))
	}
	return Place{Pointer: b.String(), Detail: detail}
}

// parseDetail says why the value of a parameter could not be read.
func parseDetail(e *openapi3filter.ParseError, p *openapi3.Parameter) string {
	schema := p.Schema.Value
	if schema.Items != nil {
		schema = schema.Items.Value
	}
	if expected := expectedInteger(schema); expected != "" {
		return expected
	}
	if e.Reason != "" { // it names the expected type
		return "the value is " + e.Reason
	}
	return e.RootCause().Error()
}

// expectedInteger says which integers a schema accepts, or "" if it is not a schema for integers.
// kin-openapi has a different message for each violation, and writes 2147483647 as 2.147483647e+09.
func expectedInteger(schema *openapi3.Schema) string {
	if schema == nil || !schema.Type.Is(openapi3.TypeInteger) || schema.Min == nil || schema.Max == nil {
		return ""
	}
	return fmt.Sprintf("the value must be an integer from %.0f to %.0f", *schema.Min, *schema.Max)
}

// expectedString describes a string in the contract's words, or returns "" if it has none. Few people
// can read a pattern, and it may be long.
func expectedString(e *openapi3.SchemaError) string {
	if e.SchemaField != "pattern" && e.SchemaField != "format" || e.Schema.Description == "" {
		return ""
	}
	return "the value does not match its description: " + e.Schema.Description
}

// unknownMember returns the member that a closed object does not have. kin-openapi points to the object
// and names the member only in its reason.
func unknownMember(e *openapi3.SchemaError) []string {
	quoted, isUnsupported := strings.CutSuffix(e.Reason, " is unsupported")
	quoted, isProperty := strings.CutPrefix(quoted, "property ")
	name, err := strconv.Unquote(quoted)
	if !isUnsupported || !isProperty || err != nil {
		return nil
	}
	return []string{name}
}
