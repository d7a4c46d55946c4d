package llm_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"example.com/pagila-api/llm"
)

// BenchmarkLongAnswer streams answers in pieces of ten bytes. The time and the memory for a byte
// have to be the same for a long answer as for a short one.
func BenchmarkLongAnswer(b *testing.B) {
	component, err := summaryComponent()
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("%d_bytes", size), func(b *testing.B) {
			body := strings.Repeat(delta("ten bytes."), size/10) + finish("stop") + done
			c, err := llm.New(llm.Config{
				Provider: "openai", BaseURL: "http://upstream.test", Summary: component, MaxBytes: int64(len(body)),
				HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
					return stream(strings.NewReader(body)), nil
				})},
			})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				_, err := c.Ask(b.Context(), llm.Question{Text: "?"}, func(piece string) error {
					got += len(piece)
					return nil
				})
				if err != nil || got != size {
					b.Fatalf("%d bytes, %v", got, err)
				}
			}
		})
	}
}
