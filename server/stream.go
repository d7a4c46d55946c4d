package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/pagila-api/llm"
)

// writeTimeout is how long a client may take to accept one piece of a stream. One that does not
// read at all would otherwise hold the model for ever.
const writeTimeout = 10 * time.Second

// answer is the response that streams a language model's answer. The generated type for text would
// send it in one piece.
//
// The head is held back until the first piece of text is there, so that a model that fails before
// has its true status.
type answer struct {
	info    llm.Info
	events  bool                                                   // server-sent events, not plain text
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
	control := http.NewResponseController(w)
	begun := false
	send := func(piece []byte) error {
		if !begun {
			a.writeHead(w)
			begun = true
		}
		if err := control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return fmt.Errorf("set the write deadline: %w", err)
		}
		if _, err := w.Write(piece); err != nil {
			return fmt.Errorf("%w: %w", errClientGone, err)
		}
		if err := control.Flush(); err != nil {
			return fmt.Errorf("%w: %w", errClientGone, err)
		}
		return nil
	}
	result, err := a.ask(func(text string) error {
		if a.events {
			return send(event("delta", map[string]string{"text": text}))
		}
		return send([]byte(text))
	})
	if a.events && begun && isCut(err) {
		err = nil // the event done says so itself; plain text has nothing to say it with
	}
	if err != nil {
		if begun && a.events {
			// Best effort: the connection is about to break, which says the same.
			_ = send(append([]byte("event: error\ndata: "), append(a.problem(err), "\n\n"...)...))
		}
		return err
	}
	if a.events {
		return send(event("done", map[string]any{
			"finish_reason": result.FinishReason,
			"model":         result.Model,
			"usage": map[string]int{
				"prompt_tokens":     result.Usage.Prompt,
				"completion_tokens": result.Usage.Completion,
			},
		}))
	}
	// net/http still has to end the body, perhaps long after the last piece.
	return control.SetWriteDeadline(time.Now().Add(writeTimeout))
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
	w.WriteHeader(http.StatusOK)
}

// event is one server-sent event. The data is JSON and so has no line break of its own.
func event(name string, data any) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\ndata: ", name)
	if err := json.NewEncoder(&b).Encode(data); err != nil { // it ends the line
		panic(err) // maps of texts and numbers
	}
	b.WriteByte('\n')
	return b.Bytes()
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
