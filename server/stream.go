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

	"github.com/gin-gonic/gin"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
)

// answer is the response that streams a language model's answer. The generated type for text would
// send it in one piece.
//
// The head is held back until the first piece of text is there, so that a model that fails before
// has its true status. A client that takes events is held back for Limits.HeadHold at most, counted from its request; then it
// gets the head, and comments until there is text.
type answer struct {
	info    llm.Info
	sources []gen.Source // the films that the model is given
	events  bool         // server-sent events, not plain text
	whole   bool         // plain text to a client that could not tell a broken connection from the end
	limits  Limits
	arrival time.Time                                              // of the request: what was done since then counts as waiting
	ask     func(emit func(text string) error) (llm.Result, error) // nil: only the head is wanted
	problem func(err error) []byte
}

// VisitAskQuestionResponse writes the answer. An error after the head means that the answer is not
// whole; the caller has to break the connection.
func (a answer) VisitAskQuestionResponse(w http.ResponseWriter) error {
	if a.ask == nil {
		a.writeHead(w)
		return nil
	}
	out := newStream(w, a)
	defer out.close()
	result, err := a.ask(out.writePiece)
	return out.writeEnd(result, err)
}

// stream writes an answer piece by piece. The head and the keep-alives of a stream of events are also
// written by a timer, so all is done under one lock: Gin's writer is not for two.
type stream struct {
	answer  answer
	control *http.ResponseController

	mu     sync.Mutex
	w      http.ResponseWriter
	held   strings.Builder // the text that has come before it could be sent
	begun  bool            // the head is out
	events int             // how many there were
	buffer bytes.Buffer    // what is sent next
	timer  *time.Timer     // until the head, then until the next keep-alive; nil where there are no events
	closed bool            // the handler returns, and its writer is no longer ours
}

func newStream(w http.ResponseWriter, a answer) *stream {
	s := &stream{answer: a, w: w, control: http.NewResponseController(w)}
	s.mu.Lock() // the timer may be faster than this function
	defer s.mu.Unlock()
	if a.events {
		s.timer = time.AfterFunc(a.limits.HeadHold-time.Since(a.arrival), s.keepAlive)
	}
	return s
}

// keepAlive fills a silence with a comment, so that nothing between here and the client takes the
// connection for a dead one. The first one comes with the head, if that is not out yet.
func (s *stream) keepAlive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed { // it comes just after the end
		return
	}
	s.begin()
	s.buffer.WriteString(": keep-alive\n\n")
	_ = s.send() // if that fails, so does the next piece
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

// begin puts the beginning of the answer before what is sent next.
func (s *stream) begin() {
	if s.begun {
		return
	}
	s.begun = true
	s.answer.writeHead(s.w)
	if s.answer.events {
		s.putEvent("sources", gen.SourcesEvent{Films: s.answer.sources})
	}
}

// writePiece sends a piece of text. Blanks are no answer yet: a model that fails after them still has
// its true status.
func (s *stream) writePiece(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held.WriteString(text)
	if s.answer.whole || !s.begun && llm.Blank(text) {
		return nil
	}
	s.begin()
	s.putHeld()
	return s.send()
}

// putHeld puts the text that has come into the buffer.
func (s *stream) putHeld() {
	text := s.held.String()
	s.held.Reset()
	if s.answer.events {
		s.putEvent("delta", gen.DeltaEvent{Text: text})
	} else {
		s.buffer.WriteString(text)
	}
}

// writeEnd says how the answer has ended, as far as events can.
func (s *stream) writeEnd(result llm.Result, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true // a keep-alive must not begin a response that is about to become a problem document
	switch {
	case s.answer.whole && err == nil:
		s.begin()
		s.putHeld()
		return s.send()
	case !s.begun || !s.answer.events && err != nil:
		return err
	case !s.answer.events:
		return s.renew() // net/http still has to end the body, perhaps long after the last piece
	case err != nil && !isCut(err):
		s.putEvent("error", json.RawMessage(s.answer.problem(err)))
		_ = s.send() // best effort: the connection is about to break, which says the same
		return err
	}
	s.putEvent("done", gen.DoneEvent{
		FinishReason: result.FinishReason, // also that of an answer cut at the token limit
		Model:        result.Model,
		Usage: gen.Usage{
			PromptTokens:     int64(result.Usage.Prompt),
			CompletionTokens: int64(result.Usage.Completion),
		},
	})
	return s.send()
}

// renew gives the client time for what is written next.
func (s *stream) renew() error {
	if err := s.control.SetWriteDeadline(time.Now().Add(s.answer.limits.WriteTimeout)); err != nil {
		return fmt.Errorf("set the write deadline: %w", err)
	}
	return nil
}

// send writes what is in the buffer, at once.
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

// putEvent puts the next server-sent event into the buffer. The data is JSON and so has no line
// break of its own. With its number a browser's EventSource shows that it has been here before
// (AskQuestion).
func (s *stream) putEvent(name string, data any) {
	s.events++
	fmt.Fprintf(&s.buffer, "id: %d\nevent: %s\ndata: ", s.events, name)
	if err := json.NewEncoder(&s.buffer).Encode(data); err != nil { // it ends the line
		panic(err) // structs of texts and numbers
	}
	s.buffer.WriteByte('\n')
}

// isCut says whether the model wrote all that it was allowed to, and not all that it had to say.
func isCut(err error) bool {
	var model *llm.Error
	return errors.As(err, &model) && model.Kind == llm.KindLength
}

func (a answer) writeHead(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	if a.events {
		header.Set("Content-Type", "text/event-stream")
	}
	header.Add("Vary", "Accept")
	header.Set("X-Accel-Buffering", "no") // nginx passes each piece on at once
	header.Set("X-AI-Provider", a.info.Provider)
	header.Set("X-AI-Model", a.info.Model)
	header.Set("X-AI-Prompt", a.info.AskPrompt)
	ids := make([]string, len(a.sources))
	for i, film := range a.sources {
		ids[i] = strconv.Itoa(int(film.FilmID))
	}
	header.Set("X-AI-Sources", strings.Join(ids, ", "))
	w.WriteHeader(http.StatusOK)
}

// problemDocument writes an error as the problem document that the request would have got.
func (s *Server) problemDocument(ctx context.Context) func(error) []byte {
	c := ctx.(*gin.Context)
	return func(err error) []byte { return problemOf(err).document(c) }
}
