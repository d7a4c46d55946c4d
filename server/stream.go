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
// has its true status.
type answer struct {
	info    llm.Info
	sources []gen.Source // the films that the model is given
	events  bool         // server-sent events, not plain text
	whole   bool         // plain text to a client that could not tell a broken connection from the end
	limits  Limits
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
	out := newStream(w, a.limits)
	defer out.close()
	result, err := a.ask(func(text string) error { return a.writePiece(out, text) })
	return a.writeEnd(out, result, err)
}

func (a answer) writePiece(out *stream, text string) error {
	if !out.begun {
		// Blanks are no answer yet: a model that fails after them still has its true status.
		out.held.WriteString(text)
		if a.whole || llm.Blank(text) {
			return nil
		}
		text = out.held.String()
		a.writeHead(out.w)
		out.begun = true
		if a.events {
			out.keepAlive()
			out.putEvent("sources", gen.SourcesEvent{Films: a.sources})
		}
	}
	if a.events {
		out.putEvent("delta", gen.DeltaEvent{Text: text})
	} else {
		out.buffer.WriteString(text)
	}
	return out.send()
}

// writeEnd says how the answer has ended, as far as events can.
func (a answer) writeEnd(out *stream, result llm.Result, err error) error {
	if a.whole && err == nil {
		a.writeHead(out.w)
		out.buffer.WriteString(out.held.String())
		return out.send()
	}
	if !out.begun || !a.events && err != nil {
		return err
	}
	if !a.events {
		return out.renew() // net/http still has to end the body, perhaps long after the last piece
	}
	if err != nil && !isCut(err) {
		out.putEvent("error", json.RawMessage(a.problem(err)))
		_ = out.send() // best effort: the connection is about to break, which says the same
		return err
	}
	out.putEvent("done", gen.DoneEvent{
		FinishReason: result.FinishReason, // also that of an answer cut at the token limit
		Model:        result.Model,
		Usage: gen.Usage{
			PromptTokens:     int64(result.Usage.Prompt),
			CompletionTokens: int64(result.Usage.Completion),
		},
	})
	return out.send()
}

// stream writes an answer piece by piece. All but a keep-alive is done in the handler's goroutine.
type stream struct {
	limits Limits
	held   strings.Builder // what came before the head is out
	begun  bool            // the head is out
	events int             // how many there were
	buffer bytes.Buffer    // what is sent next

	mu      sync.Mutex // Gin's writer is not for two
	w       http.ResponseWriter
	control *http.ResponseController
	silence *time.Timer // until the next keep-alive; nil: there is none
	closed  bool        // the handler returns, and its writer is no longer ours
}

func newStream(w http.ResponseWriter, limits Limits) *stream {
	return &stream{w: w, control: http.NewResponseController(w), limits: limits}
}

// keepAlive fills each silence from now on with a comment, so that nothing between here and the
// client takes the connection for a dead one.
func (s *stream) keepAlive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silence = time.AfterFunc(s.limits.KeepAlive, func() {
		_ = s.write([]byte(": keep-alive\n\n")) // if that fails, so does the next piece
	})
}

// close ends the keep-alives. Nothing is written after it.
func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.silence != nil {
		s.silence.Stop()
	}
}

// renew gives the client time for what is written next.
func (s *stream) renew() error {
	if err := s.control.SetWriteDeadline(time.Now().Add(s.limits.WriteTimeout)); err != nil {
		return fmt.Errorf("set the write deadline: %w", err)
	}
	return nil
}

// write sends a piece at once.
func (s *stream) write(piece []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed { // a keep-alive that comes just after the end
		return nil
	}
	if err := s.renew(); err != nil {
		return err
	}
	if _, err := s.w.Write(piece); err != nil {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	if s.silence != nil {
		s.silence.Reset(s.limits.KeepAlive)
	}
	return nil
}

// send writes what is in the buffer.
func (s *stream) send() error {
	defer s.buffer.Reset()
	return s.write(s.buffer.Bytes())
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
