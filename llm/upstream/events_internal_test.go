package upstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// readDocuments reads a response as documents up to the mark after the last one, and returns copies of them.
func readDocuments(r io.Reader) (all []document, err error) {
	d := newDocuments(r, func() {})
	for {
		doc, err := d.next()
		if err != nil {
			return all, err
		}
		doc.data = bytes.Clone(doc.data)
		all = append(all, doc)
		if doc.done() { // the guard reads no further
			return all, nil
		}
	}
}

// FuzzEvents reads arbitrary bytes as a response. The documents depend neither on how the bytes arrive nor on the
// line ends, and what the reader calls JSON is JSON. A text that is written as an event of the standard (WHATWG HTML,
// section 9.2) is read back.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{
		"data: {\"a\":1}\n\ndata: [DONE]\n\n", ": ping\n\nevent: error\ndata: {\n\ndata\ndata:1\n", "event: error\n\n", "data: {\ndata: \"a\":1}\n\n",
		"\ufeffdata:1\rdata:2\r\ndata:3\n", "null {\"a\":1}[2]\n[DONE]", "{\"a\":", "data: {\"a\":1}\ndata: {\"b\":2}\n\nid: 3", "<html>", "data: ping\ndata: {}\n\n",
	} {
		f.Add([]byte(seed), "a\nb", "delta")
	}
	f.Fuzz(func(t *testing.T, body []byte, text, name string) {
		checkFraming(t, body)
		data, err := json.Marshal(map[string]string{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		name = strings.TrimSpace(strings.NewReplacer("\r", "", "\n", "").Replace(name))
		got, err := readDocuments(strings.NewReader(fmt.Sprintf("event: %s\ndata: %s\n\n", name, data)))
		if want := []document{{event: name, data: data, valid: true}}; !errors.Is(err, io.EOF) || !reflect.DeepEqual(got, want) {
			t.Errorf("the event %q with %s is read as %+v, %v", name, data, got, err)
		}
	})
}

// checkFraming reads a body as it is, in single bytes, and with other line ends.
func checkFraming(t *testing.T, body []byte) {
	t.Helper()
	whole, wholeErr := readDocuments(bytes.NewReader(body))
	size := 0
	for _, doc := range whole {
		size += len(doc.data)
		if doc.valid && !json.Valid(doc.data) {
			t.Errorf("%q: this is not JSON: %q", body, doc.data)
		}
	}
	if size > len(body) {
		t.Errorf("%q: the documents have %d bytes", body, size)
	}
	bytewise, bytewiseErr := readDocuments(iotest.OneByteReader(bytes.NewReader(body)))
	if !reflect.DeepEqual(whole, bytewise) || fmt.Sprint(wholeErr) != fmt.Sprint(bytewiseErr) {
		t.Errorf("%q: %+v, %v, but in single bytes %+v, %v", body, whole, wholeErr, bytewise, bytewiseErr)
	}
	if bytes.ContainsRune(body, '\r') || len(whole) > 0 && beginsLikeJSON(bytes.TrimSpace(body)) { // bare documents keep their line ends
		return
	}
	for _, end := range []string{"\r", "\r\n"} {
		other, otherErr := readDocuments(bytes.NewReader(bytes.ReplaceAll(body, []byte("\n"), []byte(end))))
		if !reflect.DeepEqual(whole, other) || fmt.Sprint(wholeErr) != fmt.Sprint(otherErr) {
			t.Errorf("%q: %+v, %v, but with %q as the line end %+v, %v", body, whole, wholeErr, end, other, otherErr)
		}
	}
}
