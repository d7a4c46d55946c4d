package upstream

import (
	"bytes"
	"encoding/json"
	"testing"
)

// The walk finds the members and elements that encoding/json decodes.
func TestMembers(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `[]`, `{ "a" : 1 , "b" : [ ] }`, `{"a":"}\"]\\","b":{"c":["[",{"d":"\\\""}]}}`, `{"":"","\u0061b":-1.5e9,"c":null}`,
		`[1,"a,b",{"c":[2,{}]},[],true]`, "[\t1\r\n,\n{ \"x\" : \"\u00e4\" } ]", `{"a":[[[]]],"a b":{"\\":"\\"}}`, `[[[1],2],"\ud83d\ude00"]`,
	} {
		checkWalk(t, []byte(text))
	}
	for name := range members([]byte(`{"Choices":1}`)) {
		if string(name) != "choices" {
			t.Errorf("the name is %q", name)
		}
	}
}

func checkWalk(t *testing.T, text []byte) {
	t.Helper()
	switch text[0] {
	case '{':
		var want map[string]json.RawMessage
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		n := 0
		for name, value := range members(text) {
			if !bytes.Equal(value, want[string(name)]) {
				t.Fatalf("%s: member %q has the value %q", text, name, value)
			}
			checkWalk(t, value)
			n++
		}
		if n != len(want) {
			t.Fatalf("%s: %d members, want %d", text, n, len(want))
		}
	case '[':
		var want []json.RawMessage
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		n := 0
		for element := range elements(text) {
			if n >= len(want) || !bytes.Equal(element, want[n]) {
				t.Fatalf("%s: element %d is %q", text, n, element)
			}
			checkWalk(t, element)
			n++
		}
		if n != len(want) {
			t.Fatalf("%s: %d elements, want %d", text, n, len(want))
		}
	}
}
