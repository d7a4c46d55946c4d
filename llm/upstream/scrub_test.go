package upstream_test

import (
	"net"
	"strings"
	"testing"
)

// A character that the upstream cuts is put together again. The text before it is passed on without
// waiting for the rest.
func TestCharacterOverTwoChunks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, first, second, want string }{
		{"two bytes", "x\xc3", "\xa9", "x|é"},
		{"four bytes", "x\xf0\x9f", "\x8e\xac!", "x|🎬!"},
		{"surrogate pair", `x\ud83c`, `\udfac`, "x|🎬"},
		{"first half alone", `x\ud83c`, "y", "x|\ufffdy"},
		{"first half, then another character", `x\ud83c`, "\xed\x95\x9c", "x|\ufffd한"},
		{"second half alone", "x", `\udfac`, "x|\ufffd"},
		{"carriage return and line feed", `x\r`, `\ny`, "x\n|y"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			arrived := make(chan struct{}, 2)
			s := listen(t, func(conn net.Conn) {
				raw(eventHead + part(`{"content":"`+test.first+`"}`))(conn)
				<-arrived
				raw(part(`{"content":"`+test.second+`"}`) + goodEnd)(conn)
			})
			var chunks []string
			_, err := generate(bounded(t), openAI(t, s), func(chunk string) error {
				chunks = append(chunks, chunk)
				arrived <- struct{}{}
				return nil
			})
			if got := strings.Join(chunks, "|"); err != nil || got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}
