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
	"example.com/pagila-api/store/pgtest"
)

// answering returns a model that writes the chunks and then returns result and err.
func answering(result llm.Result, err error, chunks ...string) fakeModel {
	return fakeModel{ask: func(_ context.Context, emit func(string) error) (llm.Result, error) {
		for _, chunk := range chunks {
			if err := emit(chunk); err != nil {
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
	var chunks []string
	for chunk, err := range a.AskQuestion(ctx, "Which comedies are short?") {
		if err != nil {
			return chunks, err
		}
		chunks = append(chunks, chunk)
	}
	return chunks, nil
}

func TestAskQuestionOffline(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	title := pgtest.Value[string](t, l.db.QueryRowContext, `SELECT title FROM film WHERE film_id = 1`)
	var text strings.Builder
	for chunk, err := range newAPI(t, l.url).AskQuestion(t.Context(), "What is the film "+title+" about?") {
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(chunk)
	}
	if !strings.Contains(text.String(), title) {
		t.Errorf("the answer does not name %s: %s", title, &text)
	}
}

// A chunk arrives before the model writes the next. Leaving the loop stops the model.
func TestAskQuestionStreams(t *testing.T) {
	t.Parallel()
	stopped := make(chan struct{})
	l := start(t, fakeModel{ask: func(ctx context.Context, emit func(string) error) (llm.Result, error) {
		defer close(stopped)
		if err := emit("größer \n"); err != nil {
			return llm.Result{}, err
		}
		<-ctx.Done()
		return llm.Result{}, ctx.Err()
	}})
	for chunk, err := range newAPI(t, l.url).AskQuestion(t.Context(), "x") {
		if err != nil || chunk != "größer \n" {
			t.Fatalf("got %q, %v", chunk, err)
		}
		break
	}
	select {
	case <-stopped:
	case <-time.After(time.Minute):
		t.Error("the model is still running after the caller left the loop")
	}
}

func TestAskQuestionEvents(t *testing.T) {
	t.Parallel()
	result := llm.Result{Model: "fake-1", FinishReason: "stop", Usage: llm.Usage{Prompt: 7, Completion: 2}}
	l := start(t, answering(result, nil, "one ", "two"))
	var got []client.AskEvent
	for event, err := range newAPI(t, l.url).AskQuestionEvents(t.Context(), "x") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, event)
	}
	want := []client.AskEvent{
		client.ToolEvent{Name: "listFilms", Arguments: map[string]any{"title": "academy"}, Status: 200, Films: 1},
		client.SourcesEvent{Films: []client.Source{{FilmID: 1, Title: "ACADEMY DINOSAUR"}}, Total: 1},
		client.DeltaEvent{Text: "one "}, client.DeltaEvent{Text: "two"},
		client.DoneEvent{FinishReason: "stop", Model: "fake-1", Usage: client.Usage{PromptTokens: 7, CompletionTokens: 2}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the events differ (-want +got):\n%s", diff)
	}
}

// A model that fails is a problem of the server, before the first chunk and after it.
func TestAskQuestionReturnsAFailureOfTheModel(t *testing.T) {
	t.Parallel()
	failure := &llm.Error{Kind: llm.KindTruncated, Err: errors.New("the stream ended early")}

	chunks, err := collect(t, newAPI(t, start(t, answering(llm.Result{}, failure)).url))
	wantProblem(t, err, http.StatusBadGateway, client.ProblemCodeLLMBadResponse)
	if len(chunks) != 0 {
		t.Errorf("got %q and %v", chunks, err)
	}

	chunks, err = collect(t, newAPI(t, start(t, answering(llm.Result{}, failure, "half an ")).url))
	wantProblem(t, err, http.StatusBadGateway, client.ProblemCodeLLMBadResponse)
	if len(chunks) != 1 {
		t.Errorf("got %q and %v", chunks, err)
	}
}

func TestAskQuestionReturnsAnErrorAtTheTokenLimit(t *testing.T) {
	t.Parallel()
	l := start(t, answering(llm.Result{FinishReason: "length"}, &llm.Error{Kind: llm.KindLength, Err: errors.New("the token limit")}, "half an "))
	chunks, err := collect(t, newAPI(t, l.url))
	if incomplete, ok := errors.AsType[*client.IncompleteAnswerError](err); !ok || incomplete.Text != "half an " || len(chunks) != 1 {
		t.Errorf("got %q and %v", chunks, err)
	}
}

// If the server is silent, the call ends after a timeout, before the headers and after them.
func TestAskQuestionTimesOut(t *testing.T) {
	t.Parallel()
	stall := func(chunks ...string) string {
		return start(t, fakeModel{ask: func(ctx context.Context, emit func(string) error) (llm.Result, error) {
			for _, chunk := range chunks {
				if err := emit(chunk); err != nil {
					return llm.Result{}, err
				}
			}
			<-ctx.Done()
			return llm.Result{}, ctx.Err()
		}}).url
	}
	chunks, err := collect(t, newAPI(t, stall(), client.WithTimeout(time.Second)))
	if late, ok := errors.AsType[*client.TimeoutError](err); !ok || late.Limit != time.Second || len(chunks) != 0 {
		t.Errorf("before the headers: %q and %v", chunks, err)
	}
	_, err = collect(t, newAPI(t, stall("one "), client.WithIdleTimeout(time.Second)))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "silent for 1s") {
		t.Errorf("after the headers: %v", err)
	}
}

// If the caller cancels the context, the error is the context's.
func TestAskQuestionIsCanceled(t *testing.T) {
	t.Parallel()
	l := start(t, fakeModel{ask: func(ctx context.Context, emit func(string) error) (llm.Result, error) {
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
