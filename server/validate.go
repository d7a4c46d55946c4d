package server

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/gin-gonic/gin"

	"example.com/pagila-api/gen"
)

// The published Gin middleware for kin-openapi turns 401, 413 and 415 into 400 and flattens what
// is wrong into one string, hence our own.

// operation is what the middleware needs to know of one operation of the contract.
type operation struct {
	id      string
	route   *routers.Route
	query   []string // the names of its query parameters
	checked bool     // may be refused with 400. Probes and documentation take what load balancers and links add
	secured bool     // needs a token
	limited bool     // may be refused with 429
	stored  bool     // uses the database, and may be refused with 503 by admission control
}

// The operations that have a rule of their own.
const (
	askQuestion  = "askQuestion"
	createToken  = "createToken"
	getReadiness = "getReadiness"
)

// operations are all operations of the contract, by method and by Gin's form of the path.
type operations map[endpoint]*operation

type endpoint struct{ method, path string }

func newOperations(doc *openapi3.T) operations {
	table := operations{}
	ginPath := strings.NewReplacer("{", ":", "}", "")
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			var query []string
			for _, p := range slices.Concat(item.Parameters, op.Parameters) {
				if p.Value.In == openapi3.ParameterInQuery {
					query = append(query, p.Value.Name)
				}
			}
			security := op.Security
			if security == nil {
				security = &doc.Security
			}
			table[endpoint{method, ginPath.Replace(path)}] = &operation{
				id:      op.OperationID,
				route:   &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op},
				query:   query,
				checked: op.Responses.Status(http.StatusBadRequest) != nil,
				secured: len(*security) > 0,
				limited: op.Responses.Status(http.StatusTooManyRequests) != nil,
				// Whether the server is ready has to be known above all when it is busy.
				stored: op.Responses.Status(http.StatusServiceUnavailable) != nil && op.OperationID != getReadiness,
			}
		}
	}
	return table
}

// method is the method whose operation answers a request: HEAD is GET without the body.
func method(r *http.Request) string {
	if r.Method == http.MethodHead {
		return http.MethodGet
	}
	return r.Method
}

// operationOf is the operation of a request, or one without an id where there is none.
func operationOf(c *gin.Context) *operation {
	if op, ok := c.Get(keyOperation); ok {
		return op.(*operation)
	}
	return &operation{}
}

// validate returns the middleware that lets only requests through that follow the contract. It
// finds the operation by the route that Gin has matched, so nothing is routed twice.
func (s *Server) validate() gin.HandlerFunc {
	options := &openapi3filter.Options{
		// kin-openapi would read the whole body of a stranger before it checks the token.
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		MultiError:         true,
		// The binding then takes the value that was validated, instead of decoding the body again
		// by encoding/json's looser rules.
		KeepValidatedValue: true,
	}
	return func(c *gin.Context) {
		op, ok := s.operations[endpoint{method(c.Request), c.FullPath()}]
		if !ok {
			return // no such route or method: NoRoute or NoMethod answers
		}
		c.Set(keyOperation, op)
		if err := s.check(c, op, options); err != nil {
			s.fail(c, err)
		}
	}
}

// check holds a request against what the contract says of its operation. Authentication comes first: a
// stranger learns nothing about what else is wrong.
func (s *Server) check(c *gin.Context, op *operation, options *openapi3filter.Options) error {
	if op.secured {
		if err := s.authenticate(c.Request); err != nil {
			return err
		}
	}
	if !op.checked {
		return nil
	}
	if err := checkText(c.Request.URL, c.Params, op.query); err != nil {
		return err
	}
	if err := checkContent(c.Request, op.route.Operation.RequestBody); err != nil {
		return err
	}
	body := &watchedBody{ReadCloser: c.Request.Body}
	c.Request.Body = body
	input := &openapi3filter.RequestValidationInput{
		Request:    c.Request,
		PathParams: make(map[string]string, len(c.Params)),
		Route:      op.route,
		Options:    options,
	}
	for _, p := range c.Params {
		input.PathParams[p.Key] = p.Value
	}
	if err := openapi3filter.ValidateRequest(c.Request.Context(), input); err != nil {
		return contractError(err, body.err)
	}
	return nil
}

// checkContent refuses a body of a media type that the operation does not take, and one that is
// compressed.
func checkContent(r *http.Request, body *openapi3.RequestBodyRef) error {
	if body == nil || r.ContentLength == 0 {
		return nil
	}
	for _, line := range r.Header.Values("Content-Encoding") {
		for coding := range strings.SplitSeq(line, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return errEncoded
			}
		}
	}
	mediaType := mediaTypeOf(r.Header)
	if body.Value.Content[mediaType] == nil {
		return errMediaType
	}
	// No parameter changes what the body means, so one that is malformed does no harm. What comes after
	// this is stricter.
	r.Header.Set("Content-Type", mediaType)
	return nil
}

// mediaTypeOf is the media type of a message without its parameters, or "" where there is not exactly
// one.
func mediaTypeOf(header http.Header) string {
	lines := header.Values("Content-Type")
	if len(lines) != 1 {
		return ""
	}
	mediaType, _, _ := strings.Cut(lines[0], ";")
	return strings.ToLower(strings.TrimSpace(mediaType))
}

// checkText refuses what the contract cannot express: a malformed query, a query parameter that
// the operation does not have, that comes twice or without a value (kin-openapi would put the
// default there), and text that PostgreSQL could not hold.
func checkText(u *url.URL, path gin.Params, known []string) error {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return &invalidRequestError{err: fmt.Errorf("the query string is malformed: %w", err)}
	}
	var found []gen.InputError
	refuse := func(name, detail string) {
		found = append(found, gen.InputError{Parameter: &name, Detail: detail})
	}
	for _, name := range slices.Sorted(maps.Keys(query)) { // a map has no order
		values := query[name]
		switch {
		case !slices.Contains(known, name):
			refuse(printable(name), "there is no such query parameter")
		case len(values) > 1:
			refuse(name, "the parameter is given more than once")
		case values[0] == "":
			refuse(name, "the value is empty")
		case !goodText(values[0]):
			refuse(name, "the value is not text: it has a NUL or is not UTF-8")
		}
	}
	for _, p := range path {
		if !goodText(p.Value) {
			refuse(p.Key, "the value is not text: it has a NUL or is not UTF-8")
		}
	}
	if found == nil {
		return nil
	}
	return &invalidRequestError{inputs: found}
}

// goodText says whether PostgreSQL could hold s.
func goodText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// printable makes a name that a client made up fit to be shown to it again.
func printable(s string) string {
	const longest = 100
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return s
}

// watchedBody remembers why a body could not be read: kin-openapi wraps that in words of its own.
type watchedBody struct {
	io.ReadCloser
	err error
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// contractError translates what kin-openapi found in a request whose body could not be read for
// the reason unread, if any.
func contractError(err, unread error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(unread, &tooLarge):
		return tooLarge
	case errors.Is(unread, os.ErrDeadlineExceeded):
		return &invalidRequestError{err: errors.New("the body did not come in time")}
	case unread != nil:
		return &invalidRequestError{err: errors.New("the body ended early")}
	}
	same := func(a, b gen.InputError) bool { return reflect.DeepEqual(a, b) }
	return &invalidRequestError{inputs: slices.CompactFunc(inputErrors(err, nil), same), found: err}
}

// inputErrors flattens kin-openapi's tree of errors. in is the RequestError above err, if any.
func inputErrors(err error, in *openapi3filter.RequestError) []gen.InputError {
	var all []gen.InputError
	switch e := err.(type) { //nolint:errorlint // a walk of the tree, node by node
	case openapi3.MultiError:
		for _, each := range e {
			all = append(all, inputErrors(each, in)...)
		}
	case *openapi3filter.RequestError:
		if e.Err == nil {
			return []gen.InputError{inputError(e, nil, e.Reason)}
		}
		return inputErrors(e.Err, e)
	case *openapi3.SchemaError:
		return []gen.InputError{inputError(in, append(e.JSONPointer(), unsupported(e)...), cmp.Or(wantedInteger(e.Schema), wantedText(e), e.Reason))}
	case *openapi3filter.ParseError:
		if in != nil && in.Parameter != nil {
			if wanted := wantedInteger(in.Parameter.Schema.Value); wanted != "" {
				return []gen.InputError{inputError(in, nil, wanted)}
			}
		}
		if e.Reason != "" { // a parameter: the reason says which type it has to be
			return []gen.InputError{inputError(in, nil, "the value is "+e.Reason)}
		}
		return []gen.InputError{inputError(in, nil, e.RootCause().Error())}
	default:
		return []gen.InputError{inputError(in, nil, err.Error())}
	}
	return all
}

// breaks says whether a value of the body breaks this rule of its schema.
func breaks(err error, rule string, path ...string) bool {
	switch e := err.(type) { //nolint:errorlint // a walk of the tree, node by node
	case openapi3.MultiError:
		return slices.ContainsFunc(e, func(each error) bool { return breaks(each, rule, path...) })
	case *openapi3filter.RequestError:
		return breaks(e.Err, rule, path...)
	case *openapi3.SchemaError:
		return e.SchemaField == rule && slices.Equal(e.JSONPointer(), path)
	default:
		return false
	}
}

// wantedInteger says which integers a schema takes, or nothing if it is not for integers. kin-openapi
// has another complaint for each way to miss them, and writes 2147483647 as 2.147483647e+09.
func wantedInteger(schema *openapi3.Schema) string {
	if schema == nil || !schema.Type.Is(openapi3.TypeInteger) || schema.Min == nil || schema.Max == nil {
		return ""
	}
	return fmt.Sprintf("the value has to be a whole number from %.0f to %.0f", *schema.Min, *schema.Max)
}

// wantedText says what a text has to be in the contract's words, or nothing if it has none. A pattern
// tells most people little, and can be long.
func wantedText(e *openapi3.SchemaError) string {
	if e.SchemaField != "pattern" || e.Schema.Description == "" {
		return ""
	}
	return "the value is not as wanted: " + e.Schema.Description
}

// unsupported is the member that a closed object does not have. kin-openapi points to the object
// and names the member in its reason only.
func unsupported(e *openapi3.SchemaError) []string {
	quoted, isUnsupported := strings.CutSuffix(e.Reason, " is unsupported")
	quoted, isProperty := strings.CutPrefix(quoted, "property ")
	name, err := strconv.Unquote(quoted)
	if !isUnsupported || !isProperty || err != nil {
		return nil
	}
	return []string{name}
}

func inputError(in *openapi3filter.RequestError, pointer []string, detail string) gen.InputError {
	e := gen.InputError{Detail: detail}
	switch {
	case in != nil && in.Parameter != nil:
		e.Parameter = &in.Parameter.Name
	default:
		// RFC 6901, section 6; the names are the contract's or the client's own.
		var b strings.Builder
		b.WriteByte('#')
		for _, token := range pointer {
			b.WriteByte('/')
			b.WriteString(url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(token)))
		}
		e.Pointer = new(b.String())
	}
	return e
}
