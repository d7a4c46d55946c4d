package upstream_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"example.com/pagila-api/llm/upstream"
)

// wholeMessage is an event with a whole message instead of a delta.
func wholeMessage(text string) string {
	return event(`{"choices":[{"message":{"content":` + quoted(text) + `}}]}`)
}

// messageDoc is a line of JSON with a message and a finish reason.
func messageDoc(text, finish string) string {
	return `{"choices":[{"message":{"content":` + quoted(text) + `},"finish_reason":` + finish + `}]}` + "\n"
}

// withLength is a response with a Content-Length, so that its end is known.
func withLength(body string) string {
	var out strings.Builder
	r := http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Close: true, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{"Content-Type": {"text/event-stream"}}}
	if err := r.Write(&out); err != nil {
		panic(err) // cannot happen with a strings.Builder
	}
	return out.String()
}

// chunked is a chunked response with a proper end.
func chunked(texts ...string) string {
	var out strings.Builder
	for _, text := range texts {
		out.WriteString(chunk(text))
	}
	return chunkHead + out.String() + "0\r\n\r\n"
}

// wholeMessages are streams whose events have a message instead of a delta.
var wholeMessages = []oddity{
	{"parts as messages", eventHead + wholeMessage("Hel") + wholeMessage("lo") + goodEnd, "Hello"},
	{"cumulative messages", eventHead + wholeMessage("Hel") + wholeMessage("Hello") + wholeMessage("Hello!") + goodEnd, "Hello!"},
	{"a message twice", eventHead + wholeMessage("Hello") + wholeMessage("Hello") + goodEnd, "Hello"},
	{"a message that completes the deltas", eventHead + delta("Hel") + event(`{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}`) + done, "Hello"},
	{"a message that repeats the deltas, trimmed", eventHead + delta("Hel") + delta("lo\n") + event(`{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}`) + done, "Hello\n"},
	{"a message without the deltas' thoughts", eventHead + delta("<think>hm</think>Hel") + delta("lo") + event(`{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}`) + done, "Hello"},
	{"lines of messages, each with a reason", labelled("application/x-ndjson") + messageDoc("Hel", `"stop"`) + messageDoc("lo", `"stop"`), "Hello"},
	{"lines of cumulative messages", labelled("application/x-ndjson") + messageDoc("Hel", "null") + messageDoc("Hello", `"stop"`), "Hello"},
}

// framedEnds are streams without an end mark, whose body ends as HTTP says.
var framedEnds = []oddity{
	{"chunks that end", chunked(delta("He"), finish("stop")), "He"},
	{"chunks that end after the usage", chunked(delta("He"), finish("stop"), usageEvent), "He"},
	{"a body of its length", withLength(delta("He") + finish("stop")), "He"},
	{"a body of its length, cut after the reason", withLength(delta("He") + finish("stop") + "data: [DO"), "He"},
}

// harmlessBytes are streams with bytes that have no meaning.
var harmlessBytes = []oddity{
	{"CR alone ends the lines", eventHead + strings.ReplaceAll(delta("He")+delta("llo")+finish("stop")+done, "\n", "\r"), "Hello"},
	{"mixed line ends", eventHead + strings.Replace(strings.Replace(delta("He"), "\n\n", "\r\n\r", 1)+delta("llo"), "\n\n", "\r\r", 1) + goodEnd, "Hello"},
	{"CR alone, after a comment", eventHead + ": hi\r\r" + strings.ReplaceAll(delta("He")+finish("stop"), "\n", "\r") + done, "He"},
	{"mark of the end in small letters", eventHead + delta("He") + finish("stop") + event("[done]"), "He"},
	{"mark of the end without brackets", eventHead + delta("He") + finish("stop") + event("DONE"), "He"},
	{"mark of the end as a string", eventHead + delta("He") + finish("stop") + event(`"[DONE]"`), "He"},
	{"malformed data after the reason", eventHead + delta("He") + finish("stop") + event(`{"usage":`) + event("[x") + done, "He"},
	{"lines of JSON, then another thing", labelled("") + `{"choices":[{"delta":{"content":"He"},"finish_reason":"stop"}]}` + "\n[DO", "He"},
	{"ping as data", eventHead + event("ping") + delta("He") + event("ping") + goodEnd, "He"},
	{"a comment as data", eventHead + event(": OPENROUTER PROCESSING") + delta("He") + goodEnd, "He"},
	{"ping as data, without an empty line", eventHead + "data: ping\n" + delta("He") + "data: ping\n" + goodEnd, "He"},
	{"words as data", eventHead + event("not json") + delta("He") + goodEnd, "He"},
	{"choices of odd types", eventHead + event(`{"choices":{}}`) + event(`{"choices":""}`) + event(`{"choices":0}`) + event(`{"choices":false}`) + delta("He") + goodEnd, "He"},
	{"choices is one choice", eventHead + event(`{"choices":{"index":0,"delta":{"content":"He"}}}`) + goodEnd, "He"},
	{"refusal is null as a text", eventHead + part(`{"content":"He","refusal":"null"}`) + part(`{"content":"","refusal":" "}`) + part(`{"refusal":"None"}`) + goodEnd, "He"},
	{"an error that says nothing", eventHead + event(`{"error":{"code":0,"message":""},"choices":[{"delta":{"content":"H"}}]}`) +
		event(`{"error":{"code":null},"choices":[{"delta":{"content":"e"}}]}`) + event(`{"error":[{}],"choices":[{"delta":{"content":"l"},"error":{"code":null}}]}`) + delta("p") + goodEnd, "Help"},
}

// harmlessLines are the same without events.
var harmlessLines = []oddity{
	{"an error that says nothing", lineHead + `{"error":{"code":0,"message":""},"choices":[{"delta":{"content":"He"}}]}` + "\n" + goodLineEnd, "He"},
	{"another thing after the end", lineHead + line("He") + goodLineEnd + "[DO", "He"},
}

func TestWholeMessages(t *testing.T) {
	t.Parallel()
	checkOddities(t, wholeMessages, openAI)
}

func TestFramedEnd(t *testing.T) {
	t.Parallel()
	checkOddities(t, framedEnds, openAI)
}

func TestHarmlessBytes(t *testing.T) {
	t.Parallel()
	checkOddities(t, harmlessBytes, openAI)
	checkOddities(t, harmlessLines, openAI)
	checkOddities(t, harmlessBytes, ollama)
}

// One whole document is an answer, even if the connection stays open.
func TestOpenConnection(t *testing.T) {
	t.Parallel()
	u := listen(t, untilClosed(labelled("application/json")+completion("He", "stop")))
	c := newModel(t, upstream.Config{Provider: "openai", BaseURL: u.URL, IdleTimeout: 50 * time.Millisecond})
	if text, _, err := ask(bounded(t), c); err != nil || text != "He" {
		t.Errorf("got %q, %v", text, err)
	}
	// A reply that is not streamed ends with its document, so the long idle timeout does not matter.
	u = listen(t, untilClosed(labelled("application/json")+completion(goodReply, "stop")))
	if err := replyError(bounded(t), newModel(t, upstream.Config{Provider: "openai", BaseURL: u.URL, IdleTimeout: time.Hour})); err != nil {
		t.Error(err)
	}
}

// A stream may have all kinds of line ends, and be cut at any position.
func TestLineEndsSplit(t *testing.T) {
	t.Parallel()
	body := "event: message\r\n" + strings.Replace(delta("H"), "\n\n", "\r\r", 1) + "\r" + strings.Replace(delta("e"), "\n\n", "\r\n\r\n", 1) + ": hi\r\n\r" + finish("stop") + done
	for cut := range len(body) {
		c := newModel(t, upstream.Config{Provider: "openai", BaseURL: "http://upstream.test", HTTPClient: &http.Client{
			Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				return stream(io.MultiReader(strings.NewReader(body[:cut]), strings.NewReader(body[cut:]))), nil
			}),
		}})
		if text, _, err := ask(bounded(t), c); err != nil || text != "He" {
			t.Errorf("cut at %d: got %q, %v", cut, text, err)
		}
	}
}

// The worst of several finish reasons counts.
func TestWorstReason(t *testing.T) {
	t.Parallel()
	for reasons, want := range map[string]upstream.Kind{
		"length,stop": upstream.KindLength, "content_filter,stop": upstream.KindFiltered, "error,stop": upstream.KindUnavailable,
		"stop,length": upstream.KindLength, "length,content_filter,stop": upstream.KindFiltered, "SAFETY,length": upstream.KindFiltered, "tool_calls,stop": upstream.KindBadResponse,
	} {
		t.Run(reasons, func(t *testing.T) {
			t.Parallel()
			var ends strings.Builder
			for reason := range strings.SplitSeq(reasons, ",") {
				ends.WriteString(finish(reason))
			}
			_, _, err := ask(bounded(t), openAI(t, listen(t, raw(eventHead+delta("He")+ends.String()+done))))
			checkKind(t, err, want)
		})
	}
}

// An answer with a finish reason that may mean anything does not count as whole.
func TestVagueFinishReasons(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{
		"OTHER", "FinishReason.OTHER", "FINISH_REASON_UNSPECIFIED", "LANGUAGE", "RECITATION", "MALFORMED_FUNCTION_CALL", "repetition", "unknown", "UNKNOWN", "undefined",
		"error", "abort", "cancelled", "canceled", "IMAGE_OTHER", "UNEXPECTED_TOOL_CALL", "killed", "expired",
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			text, _, err := ask(bounded(t), openAI(t, listen(t, raw(eventHead+delta("He")+finish(reason)+done))))
			if err == nil {
				t.Errorf("%q counts as a whole answer", text)
			}
			if _, _, err = ask(bounded(t), ollama(t, listen(t, raw(lineHead+line("He")+lastLine(reason))))); err == nil {
				t.Error("with Ollama it counts as a whole answer")
			}
		})
	}
}

// An error in a list is found, although the status is 200.
func TestErrorInList(t *testing.T) {
	t.Parallel()
	const list = `[{"error":{"code":429,"message":"slow"}}]`
	for name, first := range map[string]string{
		"document":      labelled("application/json") + list,
		"event":         eventHead + event(list) + done,
		"second of two": eventHead + event(`[{"usage":{}},{"error":{"code":429}}]`) + done,
	} {
		u := listen(t, raw(first), raw(eventHead+delta("He")+goodEnd))
		if text, _, err := ask(bounded(t), openAI(t, u)); err != nil || text != "He" || len(u.Requests()) != 2 {
			t.Errorf("%s: got %q, %v after %d requests", name, text, err, len(u.Requests()))
		}
	}
	text, _, err := ask(bounded(t), openAI(t, listen(t, raw(eventHead+delta("He")+event(list)+goodEnd))))
	if checkKind(t, err, upstream.KindRateLimited); text != "He" {
		t.Errorf("got %q", text)
	}
	_, _, err = ask(bounded(t), ollama(t, listen(t, raw(lineHead+line("He")+list+"\n"+goodLineEnd))))
	checkKind(t, err, upstream.KindRateLimited)
}

// Only the visible characters of a model's name are returned.
func TestModelName(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"m\x1b[31m-1\r\nX: y": "m[31m-1X: y", "\u202em-1\u200b\u0085": "m-1", strings.Repeat("é", 5000): strings.Repeat("é", 200), " m 1 ": "m 1",
		"\x00\u200b": "own-1", "": "own-1", "\u2028\u3164": "own-1",
	} {
		first := event(`{"model":` + quoted(sent) + `,"choices":[{"delta":{"content":"He"}}]}`)
		u := listen(t, raw(eventHead+first+goodEnd))
		_, result, err := ask(bounded(t), newModel(t, upstream.Config{Provider: "openai", BaseURL: u.URL, Model: "own-1"}))
		if err != nil || result.Model != want || strings.ContainsFunc(result.Model, unicode.IsControl) {
			t.Errorf("%+q: got %+q, %v, want %+q", sent, result.Model, err, want)
		}
	}
}
