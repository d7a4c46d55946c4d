package upstream_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"example.com/pagila-api/llm/upstream"
)

// Only silence is a stall. An answer may take far longer than the idle timeout while it keeps arriving,
// and so may its first content, which has a timeout of its own. The clock is simulated.
func TestSlowAnswer(t *testing.T) {
	t.Parallel()
	const idle, first = 20 * time.Second, time.Minute
	for _, test := range []struct {
		name   string
		pauses time.Duration
		events []string      // after a pause each
		want   upstream.Kind // empty for success, with the answer "xx"
	}{
		{"a slow answer", idle * 3 / 5, []string{delta("x"), delta("x"), goodEnd}, ""},
		{"slow thoughts", idle * 3 / 5, []string{thought("hm"), thought("hm"), thought("hm"), thought("hm"), delta("xx"), goodEnd}, ""},
		{"a late first byte", first - time.Second, []string{delta("xx") + goodEnd}, ""},
		{"comments before the first byte", first / 4, []string{": wait\n\n", ": wait\n\n", ": wait\n\n" + delta("xx") + goodEnd}, ""},
		{"too late a first byte", first + time.Second, []string{delta("xx") + goodEnd}, upstream.KindTimeout},
		{"comments instead of an answer", first / 4, slices.Repeat([]string{": wait\n\n"}, 5), upstream.KindTimeout},
		{"silence after a thought", idle + time.Second, []string{thought("hm"), delta("xx") + goodEnd}, upstream.KindStalled},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				body, sender := io.Pipe()
				written := make(chan struct{})
				go func() {
					defer close(written)
					for _, event := range test.events {
						<-time.After(test.pauses)
						io.WriteString(sender, event)
					}
					sender.Close()
				}()
				c := newModel(t, upstream.Config{Provider: "openai", APIKey: key, IdleTimeout: idle, FirstByteTimeout: first, HTTPClient: &http.Client{
					Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
						// As in a real transport.
						context.AfterFunc(r.Context(), func() { body.CloseWithError(context.Cause(r.Context())) })
						header := http.Header{"Content-Type": {"text/event-stream"}}
						return &http.Response{StatusCode: http.StatusOK, Header: header, Body: body, Request: r}, nil
					}),
				}})
				text, _, err := ask(t.Context(), c)
				<-written // within the simulated time, which ends with this function
				if test.want != "" {
					checkKind(t, err, test.want)
				} else if err != nil || text != "xx" {
					t.Errorf("got %q, %v", text, err)
				}
			})
		})
	}
}
