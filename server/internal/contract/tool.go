package contract

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
)

const mediaTypeJSON = "application/json"

// IsTool reports whether the contract marks the operation as a tool (x-tool).
func (o *Operation) IsTool() bool {
	marked, _ := o.Spec().Extensions["x-tool"].(bool)
	return marked
}

// IsRepeatable reports whether a repetition of a request that was carried out changes nothing: the operation
// then responds with what was made (x-repeat), or finds that the state is no longer what the client has read.
func (o *Operation) IsRepeatable() bool {
	return o.Spec().Extensions["x-repeat"] != nil || o.Documents(http.StatusPreconditionFailed)
}

// Arguments returns the schema of the operation's arguments as a tool: one object that has the parameters and
// the members of the JSON body. It fails if two of them have the same name.
func (o *Operation) Arguments() (Schema, error) {
	members, required := map[string]any{}, []string{}
	for _, p := range o.arguments() {
		schema := newSchema(p.Schema.Value)
		schema.setDescription(p.Description)
		members[p.Name] = schema
		if p.Required {
			required = append(required, p.Name)
		}
	}
	if body := o.jsonBody(); body != nil {
		for name, schema := range properties(body) {
			if members[name] != nil {
				return nil, fmt.Errorf("operation %s: %s is both a parameter and a member of the body", o.ID, name)
			}
			members[name] = schema
		}
		required = append(required, body.Required...)
	}
	schema := Schema{"type": openapi3.TypeObject, "properties": members, "additionalProperties": false}
	schema.set("required", required, len(required) > 0)
	return schema, nil
}

// Result returns the schema of the JSON body of the operation's success, or nil if there is none.
func (o *Operation) Result() Schema {
	if s := o.result(); s != nil {
		return newSchema(s)
	}
	return nil
}

// ListsObjects reports whether the operation's result is a page or a list of objects with these members.
func (o *Operation) ListsObjects(members ...string) bool {
	s := o.result()
	if s == nil || s.Properties["items"] == nil || s.Properties["items"].Value.Items == nil {
		return false
	}
	item := merge(s.Properties["items"].Value.Items.Value)
	return !slices.ContainsFunc(members, func(name string) bool { return item.Properties[name] == nil })
}

func (o *Operation) result() *openapi3.Schema {
	responses := o.Spec().Responses.Map()
	for _, status := range slices.Sorted(maps.Keys(responses)) {
		media := responses[status].Value.Content[mediaTypeJSON]
		if strings.HasPrefix(status, "2") && media != nil {
			return merge(media.Schema.Value)
		}
	}
	return nil
}

// arguments returns the parameters that are arguments of the operation as a tool. A header of a reading
// operation says how to respond, and not what to read.
func (o *Operation) arguments() []*openapi3.Parameter {
	return slices.DeleteFunc(o.Parameters(), func(p *openapi3.Parameter) bool {
		return p.In == openapi3.ParameterInCookie || p.In == openapi3.ParameterInHeader && o.Method == http.MethodGet
	})
}

// jsonBody returns the schema of the operation's JSON body, or nil if it has none.
func (o *Operation) jsonBody() *openapi3.Schema {
	body := o.Spec().RequestBody
	if body == nil || body.Value.Content[mediaTypeJSON] == nil {
		return nil
	}
	return merge(body.Value.Content[mediaTypeJSON].Schema.Value)
}

// NewRequest returns the request that calls the operation with these arguments, a JSON object. It takes
// over each value as it is written and leaves it to [Operation.Validate] to check it, also that of an
// argument that the operation does not have. Members that are null are left out. The error is an
// [InvalidError].
func (o *Operation) NewRequest(ctx context.Context, arguments json.RawMessage) (*http.Request, error) {
	given, err := members(arguments)
	if err != nil {
		return nil, Invalid(Place{Detail: "the arguments are not a JSON object: " + err.Error()})
	}
	taken, err := o.takeParameters(given)
	if err != nil {
		return nil, err
	}
	var body io.Reader = http.NoBody // a handler reads the body of each request
	hasBody := o.jsonBody() != nil
	if hasBody {
		body = bytes.NewReader(given.object())
	} else {
		for _, unknown := range *given {
			taken.query.Add(unknown.name, string(unknown.value))
		}
	}
	r, err := http.NewRequestWithContext(ctx, o.Method, (&url.URL{RawQuery: taken.query.Encode()}).String(), body)
	if err != nil {
		return nil, fmt.Errorf("call operation %s: %w", o.ID, err)
	}
	r.URL.Path, r.URL.RawPath = taken.plainPath, taken.escapedPath
	r.Header = taken.header
	if hasBody {
		r.Header.Set("Content-Type", mediaTypeJSON)
	}
	return r, nil
}

// parameters are the parameters of a request. The path has the two forms of an [url.URL].
type parameters struct {
	plainPath, escapedPath string
	query                  url.Values
	header                 http.Header
}

// takeParameters removes the parameters from the arguments.
func (o *Operation) takeParameters(given *arguments) (parameters, error) {
	taken := parameters{o.Path, o.Path, url.Values{}, http.Header{}}
	var wrong []Place
	for _, p := range o.arguments() {
		texts, detail := given.take(p.Name).texts()
		if detail == "" {
			detail = taken.set(p, texts)
		}
		if detail != "" {
			wrong = append(wrong, Place{Parameter: p.Name, Detail: detail})
		}
	}
	if wrong != nil {
		return taken, &InvalidError{Places: wrong}
	}
	return taken, nil
}

// set sets a parameter, or says why it cannot.
func (all *parameters) set(p *openapi3.Parameter, texts []string) (detail string) {
	switch p.In {
	case openapi3.ParameterInQuery:
		all.query[p.Name] = texts
	case openapi3.ParameterInHeader:
		detail = lineDetail(texts)
		if detail == "" && len(texts) > 0 {
			all.header.Set(p.Name, texts[0])
		}
	default:
		if detail = segmentDetail(texts, p.Schema.Value); detail == "" {
			all.plainPath = strings.ReplaceAll(all.plainPath, "{"+p.Name+"}", texts[0])
			all.escapedPath = strings.ReplaceAll(all.escapedPath, "{"+p.Name+"}", url.PathEscape(texts[0]))
		}
	}
	return detail
}

// lineDetail says why the texts are not at most one line of a header, or returns "".
func lineDetail(texts []string) string {
	isControl := func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
	switch {
	case len(texts) > 1:
		return repeated
	case len(texts) == 1 && strings.ContainsFunc(texts[0], isControl):
		return "the value contains a control character, so it cannot be sent in a header"
	default:
		return ""
	}
}

// segmentDetail says why the texts are not one segment of a path, or returns "". A text with a slash
// would lead to another operation.
func segmentDetail(texts []string, schema *openapi3.Schema) string {
	switch {
	case len(texts) == 0:
		return "value is required but missing"
	case len(texts) > 1:
		return repeated
	case texts[0] == "" || texts[0] == "." || texts[0] == ".." || strings.ContainsAny(texts[0], "/{}"):
		return cmp.Or(expectedInteger(schema), "the value cannot be a segment of a path")
	default:
		return ""
	}
}

// argument is a member of the arguments. The zero argument is missing.
type argument struct {
	name  string
	value json.RawMessage
}

type arguments []argument

// take removes the argument with this name.
func (a *arguments) take(name string) argument {
	i := slices.IndexFunc(*a, func(each argument) bool { return each.name == name })
	if i < 0 {
		return argument{}
	}
	taken := (*a)[i]
	*a = slices.Delete(*a, i, i+1)
	return taken
}

// object writes the arguments as a JSON object.
func (a *arguments) object() []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, each := range *a {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(each.name)
		if err != nil {
			panic(err) // a string
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(each.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// texts returns the values of a query parameter: one for a string, a number or a boolean, and one for each
// item of a list. A number keeps its digits. For any other value it says what is wrong.
func (a argument) texts() (texts []string, detail string) {
	items := []json.RawMessage{a.value}
	if bytes.HasPrefix(a.value, []byte("[")) {
		if err := json.Unmarshal(a.value, &items); err != nil {
			panic(err) // the decoder has accepted it
		}
	}
	for _, item := range items {
		switch item = bytes.TrimSpace(item); {
		case len(item) == 0, string(item) == "null":
		case item[0] == '"':
			var text string
			if err := json.Unmarshal(item, &text); err != nil {
				panic(err) // the decoder has accepted it
			}
			texts = append(texts, text)
		case item[0] == '{' || item[0] == '[':
			return nil, "the value must be a string, a number, a boolean or a list of these"
		default:
			text := string(item)
			if digits, ok := integer(text); ok && item[0] != 't' && item[0] != 'f' {
				text = digits // 1.0 is an integer to JSON Schema
			}
			texts = append(texts, text)
		}
	}
	return texts, ""
}

// members returns the members of a JSON object that are not null. No arguments at all are an empty object.
func members(object json.RawMessage) (*arguments, error) {
	object = bytes.TrimSpace(object)
	if len(object) == 0 || string(object) == "null" {
		return &arguments{}, nil
	}
	if !utf8.Valid(object) {
		return nil, errors.New("they are not valid UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(object))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("they do not begin with a brace")
	}
	found, err := decodeMembers(decoder)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("they continue after the object")
	}
	return found, nil
}

func decodeMembers(decoder *json.Decoder) (*arguments, error) {
	found, seen := &arguments{}, map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name := token.(string) // the decoder rejects all others
		if seen[name] {
			return nil, fmt.Errorf("the member %q appears more than once", printable(name))
		}
		seen[name] = true
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		if string(value) != "null" {
			*found = append(*found, argument{name, value})
		}
	}
	_, err := decoder.Token()
	return found, err
}
