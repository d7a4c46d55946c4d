package upstream

import (
	"context"
	"strings"
	"unicode/utf8"
)

// maxHeld is how much text is held back while it may only be a comment before the call of a tool, in
// characters. Such comments are a sentence or two, and an answer of this length arrives within seconds.
const maxHeld = 240

// collector collects an answer's text and passes it on. All text that leaves the guard goes through
// here, so this is where thoughts are removed and the text is made safe to display.
type collector struct {
	emit     func(text string) error   // nil if the answer is not streamed
	onText   func(ctx context.Context) // is called for each chunk of text
	scrubber scrubber
	thoughts *thoughts
	// hold says that text is held back, because a call of a tool may follow. Then the text is dropped.
	hold     bool
	held     strings.Builder
	text     strings.Builder
	emitting bool  // emit is running
	emitted  bool  // emit was called
	err      error // from emit
}

// add takes the text that has arrived, and the adapter's own chunk.
func (c *collector) add(ctx context.Context, x *exchange, chunk string) error {
	text := x.get() + chunk
	if x.thoughts {
		c.thoughts.separate()
	}
	answer := c.thoughts.add(c.scrubber.add(text))
	if x.calls.began() {
		return nil
	}
	return c.forward(ctx, answer)
}

// finish takes the last chunk of an answer, and how the answer ended. What is still held back of an answer that
// failed is dropped.
func (c *collector) finish(ctx context.Context, x *exchange, chunk string, e ending, failed bool) error {
	if err := c.add(ctx, x, chunk); err != nil {
		return err
	}
	rest := c.thoughts.add(c.scrubber.end()) + c.thoughts.end(e)
	if x.calls.began() || c.hold && failed {
		return nil
	}
	c.hold = false
	return c.forward(ctx, rest)
}

// blank reports whether the answer so far has no visible text.
func (c *collector) blank() bool { return Blank(c.text.String()) }

// release adds a chunk to what is held back, and returns all of that once it is long enough.
func (c *collector) release(chunk string) string {
	c.held.WriteString(chunk)
	if c.hold && utf8.RuneCountInString(c.held.String()) < maxHeld {
		return ""
	}
	chunk = c.held.String()
	c.held.Reset()
	c.hold = false
	return chunk
}

// forward passes on a chunk of the answer, unless it is empty or held back.
func (c *collector) forward(ctx context.Context, chunk string) error {
	if c.hold || c.held.Len() > 0 {
		chunk = c.release(chunk)
	}
	if chunk == "" {
		return nil
	}
	c.onText(ctx)
	c.text.WriteString(chunk)
	if c.emit == nil {
		return nil
	}
	c.emitted = true
	c.emitting = true
	c.err = c.emit(chunk)
	c.emitting = false
	return c.err
}
