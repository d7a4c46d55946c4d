// Command sdk writes the parts of the three SDKs that follow from the contract's operations: a method in each
// language, the shape of each response, the version, and the list of operations that the SDKs' tests use.
// `go generate ./api` runs it in the contract's directory.
package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"go/format"
	"os"
	"regexp"
	"strings"
	"text/template"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/api"
)

//go:embed *.tmpl
var templates embed.FS

// files are the generated files and their templates.
var files = map[string]struct {
	template string
	async    bool
}{
	"../gen/client/operations.gen.go":               {template: "go.tmpl"},
	"../gen/typescript/src/operations.ts":           {template: "typescript.tmpl"},
	"../gen/python/pagila_api/_version.py":          {template: "version.py.tmpl"},
	"../gen/python/pagila_api/_operations.py":       {template: "python.tmpl"},
	"../gen/python/pagila_api/_async_operations.py": {template: "python.tmpl", async: true},
	"../gen/client/shapes.gen.go":                   {template: "shapes.go.tmpl"},
	"../gen/typescript/src/shapes.ts":               {template: "shapes.ts.tmpl"},
	"../gen/python/pagila_api/_shapes.py":           {template: "shapes.py.tmpl"},
	"../gen/testdata/operations.json":               {template: "operations.json.tmpl"},
}

// versions are the files that contain the version of a package.
var versions = []struct {
	file    string
	pattern *regexp.Regexp
	times   int
}{
	{"../gen/typescript/package.json", regexp.MustCompile(`(?m)^(  "version": ")[^"]*(")`), 1},
	{"../gen/typescript/package-lock.json", regexp.MustCompile(`(?m)^((?:  |      )"version": ")[^"]*(")`), 2},
	{"../gen/python/pyproject.toml", regexp.MustCompile(`(?m)^(version = ")[^"]*(")`), 1},
}

// contract is the data for the templates.
type contract struct {
	Version    string
	Operations []operation
	Shapes     map[string]any
	Async      bool
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	doc, err := api.Load(ctx)
	if err != nil {
		return err
	}
	c, err := readContract(doc)
	if err != nil {
		return err
	}
	for path := range files {
		source, err := c.render(path)
		if err == nil {
			err = write(path, source)
		}
		if err != nil {
			return err
		}
	}
	return c.writeVersions()
}

func readContract(doc *openapi3.T) (contract, error) {
	c := contract{Version: doc.Info.Version}
	var err error
	if c.Operations, err = operations(doc); err != nil {
		return contract{}, err
	}
	c.Shapes, err = shapes(doc, c.Operations)
	return c, err
}

// render executes the template of a file.
func (c contract) render(path string) ([]byte, error) {
	set, err := template.New("").Funcs(funcs).ParseFS(templates, "*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("parse the templates: %w", err)
	}
	c.Async = files[path].async
	var text bytes.Buffer
	if err := set.ExecuteTemplate(&text, files[path].template, c); err != nil {
		return nil, fmt.Errorf("execute the template of %s: %w", path, err)
	}
	if !strings.HasSuffix(path, ".go") {
		return text.Bytes(), nil
	}
	source, err := format.Source(text.Bytes())
	if err != nil {
		return nil, fmt.Errorf("format %s: %w", path, err)
	}
	return source, nil
}

func (c contract) writeVersions() error {
	for _, v := range versions {
		text, err := os.ReadFile(v.file)
		if err != nil {
			return fmt.Errorf("read a file with the version: %w", err)
		}
		left := v.times
		text = v.pattern.ReplaceAllFunc(text, func(found []byte) []byte {
			if left--; left < 0 {
				return found // this is the version of another package
			}
			return v.pattern.ReplaceAll(found, []byte("${1}"+c.Version+"${2}"))
		})
		if left > 0 {
			return fmt.Errorf("%s lacks the version of the package", v.file)
		}
		if err := write(v.file, text); err != nil {
			return err
		}
	}
	return nil
}

// write writes a file unless it is unchanged, because make compares modification times.
func write(path string, text []byte) error {
	old, err := os.ReadFile(path) //nolint:gosec // one of the files above
	if err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // everyone may read source code
		return fmt.Errorf("write a generated file: %w", err)
	}
	return nil
}

// encode returns a value as indented JSON.
func encode(value any) (string, error) {
	var document bytes.Buffer
	encoder := json.NewEncoder(&document)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	return strings.TrimSpace(document.String()), nil
}

// refName returns the name of the schema that a reference points to.
func refName(ref *openapi3.SchemaRef) string {
	if ref == nil {
		return ""
	}
	return ref.Ref[strings.LastIndex(ref.Ref, "/")+1:]
}
