package client

import (
	"encoding/json"
	"os"
	"testing"
)

// The tests of all three SDKs read the same table of shapes, documents and whether they are valid.
func TestShapes(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../testdata/shapes.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name  string
		Shape any
		Text  string
		Valid bool
	}
	if err := json.Unmarshal(document, &cases); err != nil {
		t.Fatal(err)
	}
	for _, tt := range cases {
		var result any
		if got := decode([]byte(tt.Text), tt.Shape, &result); got != tt.Valid {
			t.Errorf("%s: %t, want %t", tt.Name, got, tt.Valid)
		}
		if hasResult := result != nil; hasResult && tt.Shape == noBody {
			t.Errorf("%s: the result is %v, want none", tt.Name, result)
		}
	}
}
