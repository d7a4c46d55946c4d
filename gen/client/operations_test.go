package client_test

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"example.com/pagila-api/api"
	"example.com/pagila-api/gen/client"
)

// Each operation of the contract has a method, apart from its documentation. The other SDKs hold
// themselves against the same list.
func TestOperations(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, item := range doc.Paths.Map() {
		for _, operation := range item.Operations() {
			if !slices.Contains(operation.Tags, "Contract") {
				want = append(want, operation.OperationID)
			}
		}
	}
	slices.Sort(want)

	document, err := os.ReadFile("../testdata/operations.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct{ ID string }
	if err := json.Unmarshal(document, &list); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, operation := range list {
		got = append(got, operation.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the list is %v, want %v", got, want)
	}

	for _, id := range want {
		if !hasMethod(strings.ToUpper(id[:1]) + id[1:]) {
			t.Errorf("no method calls %s", id)
		}
	}
}

// hasMethod says whether an operation has a method that takes its body, if it has one, as a value.
func hasMethod(operation string) bool {
	methods := reflect.TypeFor[*client.API]()
	for _, end := range []string{"WithResponse", "WithFormdataBodyWithResponse"} {
		if _, ok := methods.MethodByName(operation + end); ok {
			return true
		}
	}
	return false
}
