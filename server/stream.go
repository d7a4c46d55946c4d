package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
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
	whole   bool         // plain text to a client who could not tell a broken connection from the end
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
	// The model runs beside, so that the connection can be kept alive while it thinks. All writing
	// is done here: Gin's writer is not for two.
	pieces, written, ended := make(chan string), make(chan error), make(chan outcome, 1)
	go func() {
		ended <- a.run(func(text string) error {
			pieces <- text
			return <-written
		})
	}()
	out := stream{w: w, control: http.NewResponseController(w), timeout: a.limits.WriteTimeout}
	silence := time.NewTimer(a.limits.KeepAlive)
	defer silence.Stop()
	for {
		select {
		case text := <-pieces:
			written <- a.writePiece(&out, text)
		case <-silence.C:
			if a.events && out.begun {
				// If that fails, so does the next piece.
				_ = out.write([]byte(": keep-alive\n\n"))
			}
		case end := <-ended:
			return a.writeEnd(&out, end)
		}
		silence.Reset(a.limits.KeepAlive)
	}
}

// outcome is how the model's answer ended.
type outcome struct {
	result llm.Result
	err    error
}

// run asks the model. Its panics are errors, because they would end the program in a goroutine.
func (a answer) run(emit func(text string) error) (end outcome) {
	defer func() {
		if p := recover(); p != nil {
			end.err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	end.result, end.err = a.ask(emit)
	return end
}

func (a answer) writePiece(out *stream, text string) error {
	var piece []byte
	if !out.begun {
		// Blanks are no answer yet: a model that fails after them still has its true status.
		out.held += text
		if a.whole || llm.Blank(out.held) {
			return nil
		}
		text = out.held
		a.writeHead(out.w)
		out.begun = true
		if a.events { // in one write with the first piece
			piece = out.event("sources", gen.SourcesEvent{Films: a.sources})
		}
	}
	if a.events {
		return out.write(append(piece, out.event("delta", gen.DeltaEvent{Text: text})...))
	}
	return out.write([]byte(text))
}

// writeEnd says how the answer has ended, as far as events can.
func (a answer) writeEnd(out *stream, end outcome) error {
	if a.whole && end.err == nil {
		a.writeHead(out.w)
		return out.write([]byte(out.held))
	}
	if !out.begun || !a.events && end.err != nil {
		return end.err
	}
	if !a.events {
		return out.renew() // net/http still has to end the body, perhaps long after the last piece
	}
	if end.err != nil && !isCut(end.err) {
		// Best effort: the connection is about to break, which says the same.
		_ = out.write(out.event("error", json.RawMessage(a.problem(end.err))))
		return end.err
	}
	return out.write(out.event("done", gen.DoneEvent{
		FinishReason: end.result.FinishReason, // also that of an answer cut at the token limit
		Model:        end.result.Model,
		Usage: gen.Usage{
			PromptTokens:     int64(end.result.Usage.Prompt),
			CompletionTokens: int64(end.result.Usage.Completion),
		},
	}))
}

// stream writes an answer piece by piece.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration // for one piece
	held    string        // what came before the head is out
	begun   bool          // the head is out
	events  int           // how many there were
}

// renew gives the client time for what is written next.
func (s *stream) renew() error {
	if err := s.control.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		return fmt.Errorf("set the write deadline: %w", err)
	}
	return nil
}

// write sends a piece at once.
func (s *stream) write(piece []byte) error {
	if err := s.renew(); err != nil {
		return err
	}
	if _, err := s.w.Write(piece); err != nil {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	return nil
}

// event is the next server-sent event. The data is JSON and so has no line break of its own. With
// its number a browser's EventSource shows that it has been here before (AskQuestion).
func (s *stream) event(name string, data any) []byte {
	s.events++
	var b bytes.Buffer
	fmt.Fprintf(&b, "id: %d\nevent: %s\ndata: ", s.events, name)
	if err := json.NewEncoder(&b).Encode(data); err != nil { // it ends the line
		panic(err) // structs of texts and numbers
	}
	b.WriteByte('\n')
	return b.Bytes()
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
	header.Set("Vary", "Accept")
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

// wantsEvents says whether the client asks for server-sent events. Only a client that names them
// does: for */* the answer is plain text. Where both are named, the weights decide (RFC 9110,
// section 12.5.1), and events win a draw.
func wantsEvents(ctx context.Context) bool {
	events, text := 0.0, 0.0
	for _, header := range httpRequest(ctx).Header.Values("Accept") {
		for part := range strings.SplitSeq(header, ",") {
			mediaType, params, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			weight := 1.0
			if q, err := strconv.ParseFloat(params["q"], 64); err == nil {
				weight = q
			}
			switch mediaType {
			case "text/event-stream":
				events = weight
			case "text/plain":
				text = weight
			}
		}
	}
	return events > 0 && events >= text
}
