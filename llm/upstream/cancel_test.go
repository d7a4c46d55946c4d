package upstream_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/llm/upstream"
)

// aborts is how often each abort is tried. Because of a race, the adapters report about half of all aborted
// calls as a success.
const aborts = 200

// abortedStreams are upstreams that stop in the middle and wait for the client to disconnect.
var abortedStreams = []struct {
	name   string
	client func(*testing.T, *server) *upstream.Model
	raw    string
	text   bool // some text comes first
}{
	{"openai, before the head", openAI, "", false},
	{"openai, before text", openAI, eventHead, false},
	{"openai, after text", openAI, eventHead + delta("He"), true},
	{"openai, after all text", openAI, eventHead + delta("He") + finish("stop"), true},
	{"ollama, before the head", ollama, "", false},
	{"ollama, before text", ollama, lineHead, false},
	{"ollama, after text", ollama, lineHead + line("He"), true},
	{"ollama, within a line", ollama, lineHead + line("He") + `{"choices":`, true},
}

// watched sends bytes, and signals that it has a request and that the client has disconnected.
func watched(bytes string) (_ script, sent, gone <-chan struct{}) {
	sentC, goneC := make(chan struct{}, aborts), make(chan struct{}, aborts)
	answer := untilClosed(bytes)
	return func(conn net.Conn) {
		sentC <- struct{}{}
		answer(conn)
		goneC <- struct{}{}
	}, sentC, goneC
}

func TestCancel(t *testing.T) {
	t.Parallel()
	for _, test := range abortedStreams {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			script, sent, gone := watched(test.raw)
			c := test.client(t, listen(t, script))
			for range aborts {
				ctx, cancel := context.WithCancel(bounded(t))
				began := make(chan struct{})
				go func() {
					<-sent
					if test.text {
						<-began
					}
					cancel()
				}()
				_, err := generate(ctx, c, func(string) error {
					close(began)
					return nil
				})
				checkKind(t, err, upstream.KindCanceled)
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("%v is not context.Canceled", err)
				}
				<-gone
			}
		})
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	for _, test := range abortedStreams {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := test.client(t, listen(t, untilClosed(test.raw)))
			for range aborts {
				ctx, cancel := context.WithTimeout(bounded(t), 3*time.Millisecond)
				_, err := generate(ctx, c, func(string) error {
					<-ctx.Done() // so that the deadline passes after the first byte
					return nil
				})
				cancel()
				checkKind(t, err, upstream.KindTimeout)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("%v is not context.DeadlineExceeded", err)
				}
			}
		})
	}
}

func TestCancelCause(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the client left")
	cancel(reason)
	_, _, err := ask(ctx, newModel(t, upstream.Config{Provider: "ollama"}))
	checkKind(t, err, upstream.KindCanceled)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, reason) {
		t.Errorf("%v is not both context.Canceled and its cause", err)
	}
}

// An error of the caller's function ends the call to the upstream.
func TestEmitError(t *testing.T) {
	t.Parallel()
	full := errors.New("the client is gone")
	for _, test := range abortedStreams {
		if !test.text {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			script, _, gone := watched(test.raw)
			c := test.client(t, listen(t, script))
			_, err := generate(bounded(t), c, func(string) error { return full })
			if !errors.Is(err, full) {
				t.Errorf("the error is %v, want %v", err, full)
			}
			if e, ok := errors.AsType[*upstream.Error](err); ok {
				t.Errorf("the caller's own error became one of the model: %v", e)
			}
			<-gone
		})
	}
}

// A panic of the caller's function, such as http.ErrAbortHandler, is not recovered.
func TestEmitPanic(t *testing.T) {
	t.Parallel()
	script, _, gone := watched(eventHead + delta("He"))
	c := openAI(t, listen(t, script))
	defer func() {
		if p := recover(); p != "abort" {
			t.Errorf("the panic is %v", p)
		}
		<-gone
	}()
	_, err := generate(bounded(t), c, func(string) error { panic("abort") })
	t.Errorf("no panic, the error is %v", err)
}

// Each chunk is passed on as it arrives. The upstream sends the next one only after that.
func TestChunksAsTheyArrive(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		client func(*testing.T, *server) *upstream.Model
		events []string
		end    string
	}{
		{"openai", openAI, []string{eventHead + delta("a "), delta("b "), delta("c")}, finish("stop") + done},
		{"ollama", ollama, []string{lineHead + line("a "), line("b "), line("c")}, lastLine("stop")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			arrived := make(chan string)
			c := test.client(t, listen(t, func(conn net.Conn) {
				for _, event := range test.events {
					raw(event)(conn)
					<-arrived
				}
				raw(test.end)(conn)
			}))
			var got []string
			_, err := generate(bounded(t), c, func(chunk string) error {
				got = append(got, chunk)
				arrived <- chunk
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Join(got, "|") != "a |b |c" {
				t.Errorf("the chunks are %q", got)
			}
		})
	}
}
