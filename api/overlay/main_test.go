package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/api"
)

// Whoever edits openapi.yaml or the overlay has to write the whole contract, too.
func TestWholeContractIsCurrent(t *testing.T) {
	t.Parallel()
	want, err := wholeContract("..")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(api.YAML, want) {
		t.Errorf("%s is not what openapi.yaml and the overlay say: run make generate", result)
	}
}

func TestEveryResponseHasTheHeaders(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	responses := map[string]*openapi3.ResponseRef{}
	for name, response := range doc.Components.Responses {
		responses[name] = response
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				responses[op.OperationID+" "+status] = response
			}
		}
	}
	for name, response := range responses {
		for _, header := range []string{"X-Request-ID", "traceparent", "Cache-Control"} {
			if response.Value.Headers[header] == nil {
				t.Errorf("%s lacks %s, it has %q", name, header, slices.Sorted(maps.Keys(response.Value.Headers)))
			}
		}
	}
}

// A response keeps the headers of its own. One that refers to a component has those of the component.
func TestOverlay(t *testing.T) {
	t.Parallel()
	const contract = `openapi: 3.0.3 # a comment
paths:
  /a:
    parameters: []
    get:
      responses:
        "204": {description: Done.}
        "201": {description: Made., headers: {Location: {schema: {type: string}}}}
        "404": {$ref: "#/components/responses/NotFound"}
components:
  responses:
    NotFound: {description: None.}
`
	const anyHeader = `X: {schema: {type: string}}`
	action := func(target string) string {
		return "  - {target: \"" + target + "\", update: {headers: {" + anyHeader + "}}}\n"
	}
	for name, tt := range map[string]struct{ actions, want string }{
		"headers":         {action("$.paths.*.*.responses[?!@['$ref']]") + action("$.components.responses.*"), ""},
		"a wrong target":  {action("$.paths.*.*.answers.*"), "did not match any targets"},
		"no change":       {`  - {target: $, update: {openapi: 3.0.3}}`, "does nothing"},
		"no actions":      {"  []", "at least one action"},
		"an unknown path": {action("$.paths[?"), "$.paths[?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, "openapi.yaml"), contract)
			write(t, filepath.Join(dir, "headers.overlay.yaml"), "overlay: 1.1.0\ninfo: {title: T, version: 1.0.0}\nactions:\n"+tt.actions)
			err := run(dir)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("the error is %v, want one with %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(dir, result))
			if err != nil {
				t.Fatal(err)
			}
			want := strings.NewReplacer(
				"Done.}", "Done., headers: {"+anyHeader+"}}",
				"{type: string}}}}", "{type: string}}, "+anyHeader+"}}",
				"None.}", "None., headers: {"+anyHeader+"}}",
			).Replace(contract)
			if string(got) != want {
				t.Errorf("the whole contract is\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
