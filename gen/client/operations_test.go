package client_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/api"
	"example.com/pagila-api/gen/client"
)

// operation is an operation of the contract with the contract's examples as its arguments. The tests of all
// three SDKs read the same list.
type operation struct {
	ID, Method, Path string
	PathParams       []json.RawMessage `json:"path_params"`
	Params           map[string]any
	Body             map[string]any
	Pages            string
}

func readOperations(t *testing.T) []operation {
	t.Helper()
	document, err := os.ReadFile("../testdata/operations.json")
	if err != nil {
		t.Fatal(err)
	}
	var operations []operation
	if err := json.Unmarshal(document, &operations); err != nil {
		t.Fatal(err)
	}
	return operations
}

// The list has every operation of the contract, except those that serve its documentation.
func TestListOfOperationsIsComplete(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			if !slices.Contains(op.Tags, "Contract") {
				want = append(want, op.OperationID)
			}
		}
	}
	slices.Sort(want)
	for _, op := range readOperations(t) {
		got = append(got, op.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the list is %v, want %v", got, want)
	}
}

// Each operation has a method of the same name, which sends its request.
func TestEachOperationHasAMethod(t *testing.T) {
	t.Parallel()
	for _, op := range readOperations(t) {
		t.Run(op.ID, func(t *testing.T) {
			t.Parallel()
			server := startFaultServer(t, []faultResponse{{Head: []string{"HTTP/1.1 418 X"}}}, "")
			a, err := client.New(server.url)
			if err != nil {
				t.Fatal(err)
			}
			switch op.ID { // written by hand
			case "askQuestion":
				for _, err = range a.AskQuestion(t.Context(), op.Params["question"].(string)) {
				}
			case "createToken":
				_, err = a.CreateToken(t.Context(), "a", "b")
			default:
				err = op.call(t, a)
			}
			if kindOf(err) != "http" {
				t.Errorf("got %v", err)
			}
			op.check(t, server.received()[0])
		})
	}
}

// call calls the method of an operation and returns its error.
func (op operation) call(t *testing.T, a *client.API) error {
	t.Helper()
	method := reflect.ValueOf(a).MethodByName(strings.ToUpper(op.ID[:1]) + op.ID[1:])
	if !method.IsValid() {
		t.Fatal("there is no method")
	}
	arguments := []reflect.Value{reflect.ValueOf(t.Context())}
	documents := slices.Clone(op.PathParams)
	for _, object := range []map[string]any{op.Body, op.Params} {
		if len(object) > 0 {
			document, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			documents = append(documents, document)
		}
	}
	for i, document := range documents {
		argument := reflect.New(method.Type().In(i + 1))
		if err := json.Unmarshal(document, argument.Interface()); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, argument.Elem())
	}
	results := method.Call(arguments)
	err, _ := results[len(results)-1].Interface().(error)
	return err
}

var pathParam = regexp.MustCompile(`\{\w+\}`)

// check compares a request with the arguments.
func (op operation) check(t *testing.T, request string) {
	t.Helper()
	values := op.PathParams
	path := pathParam.ReplaceAllStringFunc(op.Path, func(string) string {
		value := values[0]
		values = values[1:]
		return url.PathEscape(strings.Trim(string(value), `"`))
	})
	line, rest, _ := strings.Cut(request, "\n")
	target, err := url.Parse(strings.Fields(line)[1])
	if err != nil || !strings.HasPrefix(line, op.Method+" ") || target.EscapedPath() != path {
		t.Errorf("got %s, want %s %s", line, op.Method, path)
	}
	for name, value := range op.Params {
		want := queryValues(value)
		if got := target.Query()[name]; !slices.Equal(got, want) && !strings.Contains(rest, strings.ToLower(name)+": "+want[0]+"\n") {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if len(op.Body) == 0 {
		return
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(rest[strings.LastIndex(rest, "\n")+1:]), &body); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(op.Body, body); diff != "" {
		t.Errorf("the body differs (-want +got):\n%s", diff)
	}
}

// queryValues returns a value as it is in a query.
func queryValues(value any) []string {
	if list, ok := value.([]any); ok {
		var all []string
		for _, item := range list {
			all = append(all, queryValues(item)...)
		}
		return all
	}
	return []string{fmt.Sprint(value)}
}

// All three packages have the version of the contract.
func TestVersionsAgree(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	version := doc.Info.Version
	if client.Version != version {
		t.Errorf("the Go SDK has version %s, the contract %s", client.Version, version)
	}
	for file, lines := range map[string][]string{
		"../typescript/package.json":       {`  "version": "` + version + `",`},
		"../typescript/package-lock.json":  {`  "version": "` + version + `",`, `      "version": "` + version + `",`},
		"../typescript/src/operations.ts":  {`export const version = "` + version + `";`},
		"../python/pyproject.toml":         {`version = "` + version + `"`},
		"../python/pagila_api/_version.py": {`VERSION = "` + version + `"`},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			// The first version in npm's files is that of the package, and in its lock file also the second.
			if before, _, ok := strings.Cut(string(text), "\n"+line+"\n"); !ok || strings.Contains(before, `"node_modules/`) {
				t.Errorf("%s does not have the contract's version %s: run make generate", file, version)
			}
		}
	}
}
