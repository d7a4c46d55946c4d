package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/gen/client"
	"example.com/pagila-api/llm"
)

// says returns a model that writes the chunks and then ends with the result and err.
func says(result llm.Result, err error, pieces ...string) scripted {
	return scripted{ask: func(_ context.Context, emit func(string) error) (llm.Result, error) {
		for _, p := range pieces {
			if err := emit(p); err != nil {
				return llm.Result{}, err
			}
		}
		return result, err
	}}
}

// collect reads an answer to its end.
func collect(t *testing.T, a *client.API) ([]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var pieces []string
	for piece, err := range a.AskQuestion(ctx, "Which comedies are short?") {
		if err != nil {
			return pieces, err
		}
		pieces = append(pieces, piece)
	}
	return pieces, nil
}

func TestAskOffline(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	title := one[string](t, l, `SELECT title FROM film WHERE film_id = 1`)
	var text strings.Builder
	for piece, err := range newAPI(t, l.url).AskQuestion(t.Context(), "What is the film "+title+" about?") {
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(piece)
	}
	if !strings.Contains(text.String(), title) {
		t.Errorf("the answer does not name %s: %s", title, &text)
	}
}

// A chunk arrives before the model writes the next. Leaving the loop stops the model.
func TestAskStreams(t *testing.T) {
	t.Parallel()
	stopped := make(chan struct{})
	l := start(t, scripted{ask: func(ctx context.Context, emit func(string) error) (llm.Result, error) {
		defer close(stopped)
		if err := emit("größer \n"); err != nil {
			return llm.Result{}, err
		}
		<-ctx.Done()
		return llm.Result{}, ctx.Err()
	}})
	for piece, err := range newAPI(t, l.url).AskQuestion(t.Context(), "x") {
		if err != nil || piece != "größer \n" {
			t.Fatalf("got %q, %v", piece, err)
		}
		break
	}
	select {
	case <-stopped:
	case <-time.After(time.Minute):
		t.Error("the model goes on although the caller has left")
	}
}

func TestAskEvents(t *testing.T) {
	t.Parallel()
	result := llm.Result{Model: "script-1", FinishReason: "stop", Usage: llm.Usage{Prompt: 7, Completion: 2}}
	l := start(t, says(result, nil, "one ", "two"))
	var got []client.AskEvent
	for event, err := range newAPI(t, l.url).AskQuestionEvents(t.Context(), "x") {
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := event.(client.SourcesEvent); !ok { // tested below
			got = append(got, event)
		}
	}
	want := []client.AskEvent{
		client.DeltaEvent{Text: "one "}, client.DeltaEvent{Text: "two"},
		client.DoneEvent{FinishReason: "stop", Model: "script-1", Usage: client.Usage{PromptTokens: 7, CompletionTokens: 2}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the events differ (-want +got):\n%s", diff)
	}
}

// A model that fails early is the server's problem, and so is one that fails midway.
func TestAskModelFails(t *testing.T) {
	t.Parallel()
	failure := &llm.Error{Kind: llm.KindTruncated, Err: errors.New("the stream ended early")}

	pieces, err := collect(t, newAPI(t, start(t, says(llm.Result{}, failure)).url))
	wantError(t, err, http.StatusBadGateway, client.ProblemCodeLLMBadResponse)
	if len(pieces) != 0 {
		t.Errorf("got %q and %v", pieces, err)
	}

	pieces, err = collect(t, newAPI(t, start(t, says(llm.Result{}, failure, "half an ")).url))
	wantError(t, err, http.StatusBadGateway, client.ProblemCodeLLMBadResponse)
	if len(pieces) != 1 {
		t.Errorf("got %q and %v", pieces, err)
	}
}

func TestAskReachesTheLimitOfTokens(t *testing.T) {
	t.Parallel()
	l := start(t, says(llm.Result{FinishReason: "length"}, &llm.Error{Kind: llm.KindLength, Err: errors.New("the token limit")}, "half an "))
	pieces, err := collect(t, newAPI(t, l.url))
	if incomplete, ok := errors.AsType[*client.IncompleteAnswerError](err); !ok || incomplete.Text != "half an " || len(pieces) != 1 {
		t.Errorf("got %q and %v", pieces, err)
	}
}

// A silent server ends the call after a timeout, before the headers and after them.
func TestAskStalls(t *testing.T) {
	t.Parallel()
	stall := func(begin ...string) string {
		return start(t, scripted{ask: func(ctx context.Context, emit func(string) error) (llm.Result, error) {
			for _, p := range begin {
				if err := emit(p); err != nil {
					return llm.Result{}, err
				}
			}
			<-ctx.Done()
			return llm.Result{}, ctx.Err()
		}}).url
	}
	pieces, err := collect(t, newAPI(t, stall(), client.WithTimeout(time.Second)))
	if late, ok := errors.AsType[*client.TimeoutError](err); !ok || late.Limit != time.Second || len(pieces) != 0 {
		t.Errorf("before the head: %q and %v", pieces, err)
	}
	_, err = collect(t, newAPI(t, stall("one "), client.WithIdleTimeout(time.Second)))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "silent for 1s") {
		t.Errorf("after the head: %v", err)
	}
}

// An answer that the caller cancels ends with the cause of the context.
func TestAskIsCancelled(t *testing.T) {
	t.Parallel()
	l := start(t, scripted{ask: func(ctx context.Context, emit func(string) error) (llm.Result, error) {
		if err := emit("one "); err != nil {
			return llm.Result{}, err
		}
		<-ctx.Done()
		return llm.Result{}, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range newAPI(t, l.url).AskQuestion(ctx, "x") {
		cancel()
		last = err
	}
	if _, ok := errors.AsType[client.APIError](last); ok || !errors.Is(last, context.Canceled) {
		t.Errorf("got %v", last)
	}
}
