package upstream

import (
	"io"
	"testing"
)

// A request can be sent again until it is released, and a reader that is open then still reads all of it.
func TestPayload(t *testing.T) {
	t.Parallel()
	p := &payload{data: []byte("request")}
	for range 2 {
		if got, err := io.ReadAll(p.open()); err != nil || string(got) != "request" {
			t.Fatalf("the body is %q, %v", got, err)
		}
	}
	slow := p.open()
	begin := make([]byte, 3)
	if _, err := io.ReadFull(slow, begin); err != nil {
		t.Fatal(err)
	}
	p.release()
	if rest, err := io.ReadAll(slow); err != nil || string(begin)+string(rest) != "request" {
		t.Errorf("the rest is %q, %v", rest, err)
	}
	if err := slow.Close(); err != nil {
		t.Fatal(err)
	}
	if p.data != nil || slow.(*payloadReader).rest != nil {
		t.Error("the bytes of a request that was sent are kept")
	}
}
