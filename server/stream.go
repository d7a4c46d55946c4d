package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
)

// streamedAnswer is the response that streams a language model's answer. The generated type for text would
// send it as a whole.
//
// The head is delayed until there is text, so that a model that fails before has the status of its
// failure. A client that accepts events gets the head with the first call of a tool, and at the latest
// Limits.HeadDelay after its request, and then comments until there is text.
type streamedAnswer struct {
	info     llm.Info
	events   bool // server-sent events, not plain text
	whole    bool // for plain text to a client that cannot tell a broken connection from the end
	limits   Limits
	arrival  time.Time                              // of the request
	ask      func(llm.Observer) (llm.Result, error) // nil if only the head is sent
	problem  func(err error) []byte                 // the problem document for an error
	observer Observer
	ctx      context.Context // of the request, for the observer
}

// VisitAskQuestionResponse writes the response. After an error that comes later than the head, the
// response is incomplete, and the caller has to break the connection.
func (a streamedAnswer) VisitAskQuestionResponse(w http.ResponseWriter) error {
	if a.ask == nil {
		a.writeHead(w)
		return nil
	}
	a.observer.StreamBegan()
	defer a.observer.StreamEnded()
	out := newStream(w, a)
	defer out.close()
	result, err := a.ask(llm.Observer{Called: out.writeCall, Sources: out.writeSources, Chunk: out.writeChunk})
	return out.writeEnd(result, err)
}

// stream writes an answer in chunks. The head and the keep-alives of a stream of events are also written
// by a timer. A lock protects all of it, since Gin's writer does not support concurrent use.
type stream struct {
	answer  streamedAnswer
	control *http.ResponseController

	mu      sync.Mutex
	w       http.ResponseWriter
	pending strings.Builder   // text that could not be sent yet
	sources *gen.SourcesEvent // nil until they are known, and once they are sent
	begun   bool              // the head has been sent
	spoken  bool              // some text has been sent
	events  int               // the number of events so far
	buffer  bytes.Buffer      // what is sent next
	timer   *time.Timer       // for the head, then for the next keep-alive; nil for plain text
	closed  bool              // the answer has ended, and keepAlive must not use w any more
}

func newStream(w http.ResponseWriter, a streamedAnswer) *stream {
	s := &stream{answer: a, w: w, control: http.NewResponseController(w)}
	s.mu.Lock() // the timer may fire before this function returns
	defer s.mu.Unlock()
	if a.events {
		s.timer = time.AfterFunc(a.limits.HeadDelay-time.Since(a.arrival), s.keepAlive)
	}
	return s
}

// keepAlive fills a silence with a comment, so that no proxy closes the connection. The first one sends the
// head too, if that has not been sent.
func (s *stream) keepAlive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed { // the timer fired just before the end
		return
	}
	s.begin()
	s.buffer.WriteString(": keep-alive\n\n")
	_ = s.send() // if this fails, so does the next chunk
}

// close ends the keep-alives. Nothing is written after it.
func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// begin writes the head.
func (s *stream) begin() {
	if s.begun {
		return
	}
	s.begun = true
	if !s.answer.events {
		s.w.Header().Set("X-AI-Sources", filmIDs(s.sources.Films))
		s.sources = nil
	}
	s.answer.writeHead(s.w)
}

// writeCall sends an event about a call of a tool.
func (s *stream) writeCall(c llm.Call) error {
	if !s.answer.events {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
	s.putEvent("tool", toolEvent(c))
	return s.send()
}

// writeSources keeps the films that the model was given until the first chunk. They come in the head of plain
// text, and in an event of a stream of events.
func (s *stream) writeSources(found llm.Sources) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sources = &gen.SourcesEvent{Films: sources(found.Films), Total: found.Total}
	return nil
}

// writeChunk sends a chunk of text. Whitespace does not count as an answer yet: a model that fails after it
// still has the status of its failure.
func (s *stream) writeChunk(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer.whole || !s.begun && llm.Blank(text) {
		s.pending.WriteString(text)
		return nil
	}
	s.begin()
	if s.answer.events && s.sources != nil {
		s.putEvent("sources", s.sources)
		s.sources = nil
	}
	return s.sendText(text)
}

// sendText sends a chunk of text, after what is pending.
func (s *stream) sendText(text string) error {
	s.putText(s.pending.String() + text)
	s.pending.Reset()
	if err := s.send(); err != nil {
		return err
	}
	if !s.spoken {
		s.spoken = true
		s.answer.observer.FirstChunkSent(s.answer.ctx, time.Since(s.answer.arrival))
	}
	s.answer.observer.ChunkSent()
	return nil
}

// putText writes text into the buffer.
func (s *stream) putText(text string) {
	if s.answer.events {
		s.putEvent("delta", gen.DeltaEvent{Text: text})
	} else {
		s.buffer.WriteString(text)
	}
}

// writeEnd tells the client how the answer ended, if the format allows it.
func (s *stream) writeEnd(result llm.Result, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// From here on the timer must not send anything: a head after a failure that still has its status, or
	// a comment after the last event.
	s.closed = true
	switch {
	case s.answer.whole && err == nil:
		s.begin()
		return s.sendText("")
	case !s.begun || !s.answer.events && err != nil:
		return err
	case !s.answer.events:
		return s.renew() // net/http still has to end the body, perhaps long after the last chunk
	case err != nil && !isTruncated(err):
		s.putEvent("error", json.RawMessage(s.answer.problem(err)))
		_ = s.send() // best effort: the connection is about to break, which has the same meaning
		return err
	}
	s.putEvent("done", gen.DoneEvent{
		FinishReason: result.FinishReason, // also for an answer that the token limit cut off
		Model:        result.Model,
		Usage: gen.Usage{
			PromptTokens:     int64(result.Usage.Prompt),
			CompletionTokens: int64(result.Usage.Completion),
		},
	})
	return s.send()
}

// renew extends the deadline for the next write.
func (s *stream) renew() error {
	if err := s.control.SetWriteDeadline(time.Now().Add(s.answer.limits.WriteTimeout)); err != nil {
		return fmt.Errorf("set the write deadline: %w", err)
	}
	return nil
}

// send writes the buffer and flushes it.
func (s *stream) send() error {
	defer s.buffer.Reset()
	if err := s.renew(); err != nil {
		return err
	}
	if _, err := s.w.Write(s.buffer.Bytes()); err != nil {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	if s.timer != nil {
		s.timer.Reset(s.answer.limits.KeepAlive)
	}
	return nil
}

// putEvent writes the next server-sent event into the buffer. The data is JSON, which has no line breaks.
// A browser's EventSource that reconnects sends the event's ID, and so can be recognized (see limit).
func (s *stream) putEvent(name string, data any) {
	s.events++
	fmt.Fprintf(&s.buffer, "id: %d\nevent: %s\ndata: ", s.events, name)
	if err := json.NewEncoder(&s.buffer).Encode(data); err != nil { // it also writes the line break
		panic(err) // structs of strings and numbers
	}
	s.buffer.WriteByte('\n')
}

// isTruncated reports whether the token limit cut the answer off.
func isTruncated(err error) bool {
	var model *llm.Error
	return errors.As(err, &model) && model.Kind == llm.KindLength
}

func (a streamedAnswer) writeHead(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	if a.events {
		header.Set("Content-Type", "text/event-stream")
	}
	header.Add("Vary", "Accept")
	header.Set("X-Accel-Buffering", "no") // so that nginx forwards each chunk at once
	header.Set("X-AI-Provider", a.info.Provider)
	header.Set("X-AI-Model", a.info.Model)
	header.Set("X-AI-Prompt", a.info.AskPrompt)
	w.WriteHeader(http.StatusOK)
}

func toolEvent(c llm.Call) gen.ToolEvent {
	event := gen.ToolEvent{
		Name: c.Name, Arguments: map[string]any{}, Status: int32(c.Status), Films: int32(c.Films), DurationMs: c.Duration.Milliseconds(), //nolint:gosec // small
	}
	arguments, _ := decodeResult(c.Arguments) // it is an object
	// An escape in JSON may stand for a character that deceives whoever reads the event.
	if object, ok := mapStrings(arguments, llm.Clean).(map[string]any); ok {
		event.Arguments = object
	}
	return event
}

// filmIDs lists the numbers of films as in X-AI-Sources.
func filmIDs(films []gen.Source) string {
	ids := make([]string, len(films))
	for i, film := range films {
		ids[i] = strconv.Itoa(int(film.FilmID))
	}
	return strings.Join(ids, ", ")
}
