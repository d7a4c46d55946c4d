package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"unicode"

	"github.com/getkin/kin-openapi/openapi3"
)

// funcs are the template functions for the names, types and texts of each language.
var funcs = template.FuncMap{
	"json":       encode,
	"tsShapes":   sharedShapes,
	"upperFirst": upperFirst,
	"lowerFirst": lowerFirst,
	"sentence":   sentence,
	"described":  described,
	"goName":     goName,
	"goType":     goType,
	"tsName":     func(name string) string { return avoid(camel(name), reserved) },
	"tsType":     tsType,
	"snake":      snake,
	"pyName":     pyName,
	"pyType":     pyType,
	"pyText":     func(s string) string { return strings.NewReplacer(`\`, `\\`, `"""`, `\"\"\"`).Replace(s) },
	"tsText":     func(s string) string { return strings.ReplaceAll(s, "*/", `*\/`) },
	"lines":      func(prefix, s string) string { return prefix + strings.ReplaceAll(s, "\n", "\n"+prefix) },
	"indent":     indent,
	"inHeaders":  func(all []parameter) []parameter { return in(openapi3.ParameterInHeader, all) },
	"inQuery":    func(all []parameter) []parameter { return in(openapi3.ParameterInQuery, all) },
}

func in(location string, all []parameter) []parameter {
	return slices.DeleteFunc(slices.Clone(all), func(p parameter) bool { return p.In != location })
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// lowerFirst changes the first letter to lower case, unless the first word is a single letter or an abbreviation.
func lowerFirst(s string) string {
	if len(s) < 2 || !unicode.IsLower(rune(s[1])) {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// sentence adds a period, except to a question.
func sentence(s string) string {
	if strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

// described returns the parameters that have a description.
func described(all []parameter) []parameter {
	return slices.DeleteFunc(slices.Clone(all), func(p parameter) bool { return p.Description == "" })
}

// Uses reports whether the Python code uses a type.
func (c contract) Uses(word string) (bool, error) {
	pattern := regexp.MustCompile(`\b` + word + `\b`)
	for _, op := range c.Operations {
		for _, p := range slices.Concat(op.PathParams, op.Params, op.Members) {
			name, err := pyType(p)
			if err != nil {
				return false, err
			}
			if pattern.MatchString(name) {
				return true, nil
			}
		}
	}
	return false, nil
}

// HasPages reports whether an operation is a list with pages.
func (c contract) HasPages() bool {
	return slices.ContainsFunc(c.Operations, func(op operation) bool { return op.Pages != nil })
}

// HasRepeat reports whether an operation may be repeated after a lost response.
func (c contract) HasRepeat() bool {
	return slices.ContainsFunc(c.Operations, func(op operation) bool { return op.Repeat != nil })
}

// HasOptionalMembers reports whether a property of a body is optional.
func (c contract) HasOptionalMembers() bool {
	return slices.ContainsFunc(c.Operations, func(op operation) bool {
		return slices.ContainsFunc(op.Members, func(p parameter) bool { return !p.Required })
	})
}

// indent indents text, except for empty lines.
func indent(spaces int, s string) string {
	prefix := strings.Repeat(" ", spaces)
	return strings.ReplaceAll(regexp.MustCompile(`(?m)^(.)`).ReplaceAllString(s, prefix+"$1"), prefix+"\n", "\n")
}

var (
	separator    = regexp.MustCompile(`[^A-Za-z0-9]+`)
	caseBoundary = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

// camel returns a name such as filmId.
func camel(name string) string {
	words := separator.Split(name, -1)
	for i := range words[1:] {
		words[i+1] = upperFirst(words[i+1])
	}
	words[0] = strings.ToLower(words[0][:1]) + words[0][1:]
	return strings.Join(words, "")
}

// goName returns a name such as filmID.
func goName(name string) string {
	return avoid(regexp.MustCompile(`Id\b`).ReplaceAllString(camel(name), "ID"), reserved)
}

// snake returns a name such as film_id.
func snake(name string) string {
	return strings.ToLower(separator.ReplaceAllString(caseBoundary.ReplaceAllString(name, "${1}_$2"), "_"))
}

// pyName returns the name of a parameter, such as film_id.
func pyName(name string) string { return avoid(snake(name), reservedInPython) }

// Names that a language reserves or that a generated method uses.
var (
	reserved = strings.Fields(`a any api await body break case catch chan class const continue ctx debugger default
		defer delete do else enum export extends fallthrough finally for func function go goto if import in
		instanceof interface let map new null options package params range return select static string struct
		super switch this throw try type typeof var void while with yield`)
	reservedInPython = strings.Fields(`and as assert async await break class continue def del elif else except False
		finally for from global if import in is lambda None nonlocal not or pass raise return self True try
		while with yield`)
)

// avoid adds an underscore to a reserved name.
func avoid(name string, reserved []string) string {
	if slices.Contains(reserved, name) {
		return name + "_"
	}
	return name
}

func goType(p parameter) (string, error) {
	if name := refName(p.schema); name != "" {
		return name, nil
	}
	schema := p.schema.Value
	switch {
	case schema.Type.Is("integer") && schema.Format == "int32":
		return "int32", nil
	case schema.Type.Is("integer"):
		return "int64", nil
	case schema.Type.Is("string"):
		return "string", nil
	}
	return "", fmt.Errorf("there is no Go type for the path parameter %s", p.Name)
}

func tsType(p parameter) string {
	if p.schema.Value.Type.Is("string") {
		return "string"
	}
	return "number"
}

func pyType(p parameter) (string, error) {
	name, err := pySchema(p.schema)
	if err != nil {
		return "", fmt.Errorf("the parameter %s: %w", p.Name, err)
	}
	if p.schema.Value.Nullable || !p.Required {
		name += " | None"
	}
	if p.ClearsInPython() {
		name += " | Unset"
	}
	return name, nil
}

// ClearsInPython reports whether None and an omitted argument differ: null clears an optional property.
func (p parameter) ClearsInPython() bool { return p.In == "" && p.schema.Value.Nullable && !p.Required }

func pySchema(ref *openapi3.SchemaRef) (string, error) {
	schema, name := ref.Value, refName(ref)
	switch {
	case len(schema.Enum) > 0 && name != "", isObject(schema) && name != "":
		return "models." + name, nil
	case len(schema.Enum) > 0:
		var words []string
		for _, word := range schema.Enum {
			words = append(words, fmt.Sprintf("%q", word))
		}
		return "Literal[" + strings.Join(words, ", ") + "]", nil
	case schema.Type.Is("array"):
		item, err := pySchema(schema.Items)
		return "Sequence[" + item + "]", err
	case schema.Type.Is("string") && schema.Format == "date-time":
		return "datetime", nil
	case schema.Type.Is("string") && schema.Format == "date":
		return "date", nil
	}
	names := map[string]string{"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
	if len(schema.Type.Slice()) == 1 && names[schema.Type.Slice()[0]] != "" {
		return names[schema.Type.Slice()[0]], nil
	}
	return "", errors.New("there is no Python type for it")
}
