package upstream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/llm/upstream"
)

// checkKind fails the test unless err is an *upstream.Error of the kind, without the key in its text.
func checkKind(t *testing.T, err error, want upstream.Kind) *upstream.Error {
	t.Helper()
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		t.Fatalf("the error is %v, want an *upstream.Error of kind %s", err, want)
	}
	if e.Kind != want {
		t.Fatalf("kind is %s, want %s: %v", e.Kind, want, err)
	}
	if strings.Contains(err.Error(), key) {
		t.Errorf("the error contains the key: %v", err)
	}
	return e
}

// errorBodies are error responses in the formats of several servers.
var errorBodies = []struct {
	name    string
	status  int
	headers string
	body    string
	want    upstream.Kind
	code    string
}{
	{"wrong key", 401, "", `{"error":{"message":"Incorrect API key provided: ` + key + `","code":"invalid_api_key"}}`, upstream.KindAuth, "invalid_api_key"},
	{"forbidden", 403, "", `{"error":{"message":"Country not supported","code":"unsupported_country_region_territory"}}`, upstream.KindAuth, "unsupported_country_region_territory"},
	{"out of credit", 402, "", `{"error":{"message":"no credits"}}`, upstream.KindQuota, ""},
	{"quota", 429, "", `{"error":{"message":"You exceeded your quota","code":"insufficient_quota"}}`, upstream.KindQuota, "insufficient_quota"},
	{"quota by type", 429, "", `{"error":{"message":"You exceeded your quota","type":"insufficient_quota","code":null}}`, upstream.KindQuota, "insufficient_quota"},
	{"rate limit", 429, "Retry-After: 3600\r\n", `{"error":{"message":"slow down","code":"rate_limit_exceeded"}}`, upstream.KindRateLimited, "rate_limit_exceeded"},
	{"rate limit, no JSON", 429, "", `slow down`, upstream.KindRateLimited, ""},
	{"unknown model", 404, "", `{"error":{"message":"no such model","code":"model_not_found"}}`, upstream.KindNoModel, "model_not_found"},
	{"unknown model, Ollama", 404, "", `{"error":"model \"x\" not found, try pulling it first"}`, upstream.KindNoModel, ""},
	{"unknown model, vLLM", 404, "", `{"object":"error","message":"The model x does not exist.","type":"NotFoundError","code":404}`, upstream.KindNoModel, "404"},
	{"unknown model, OpenRouter", 400, "", `{"error":{"message":"x is not a valid model ID","code":400}}`, upstream.KindNoModel, "400"},
	{"unknown model, DeepSeek", 400, "", `{"error":{"message":"Model Not Exist","type":"invalid_request_error"}}`, upstream.KindNoModel, "invalid_request_error"},
	{"unknown path", 404, "", `{"detail":"Not Found"}`, upstream.KindRejected, ""},
	{"error as text", 404, "", `{"error":"page not found"}`, upstream.KindRejected, ""},
	{"error in a list, Google", 400, "", `[{"error":{"code":400,"message":"API key not valid","status":"UNAUTHENTICATED"}}]`, upstream.KindAuth, "400"},
	{"prompt too long, vLLM", 400, "", `{"object":"error","message":"This model's maximum context length is 4096 tokens.","code":400}`, upstream.KindTooLong, "400"},
	{"filtered prompt, in words", 400, "", `{"error":{"message":"The prompt triggers our content management policy."}}`, upstream.KindFiltered, ""},
	{"vLLM's shape", 400, "", `{"object":"error","message":"bad thing","type":"BadRequestError","code":400}`, upstream.KindRejected, "400"},
	{"prompt too long", 400, "", `{"error":{"message":"maximum context length","code":"context_length_exceeded"}}`, upstream.KindTooLong, "context_length_exceeded"},
	{"filtered prompt", 400, "", `{"error":{"message":"filtered","code":"content_filter"}}`, upstream.KindFiltered, "content_filter"},
	{"server error", 500, "", `{"error":{"message":"boom"}}`, upstream.KindUnavailable, ""},
	{"bad gateway, HTML", 502, "", `<html>bad gateway</html>`, upstream.KindUnavailable, ""},
	{"unavailable, empty", 503, "", ``, upstream.KindUnavailable, ""},
	{"another success", 201, "", completion("x", "stop"), upstream.KindBadResponse, ""},
	{"redirect", 302, "Location: /elsewhere\r\n", ``, upstream.KindRejected, ""},
	{"permanent redirect", 308, "Location: /elsewhere\r\n", ``, upstream.KindRejected, ""},
}

func TestErrorStatus(t *testing.T) {
	t.Parallel()
	for provider, client := range map[string]func(*testing.T, *server) *upstream.Model{"openai": openAI, "ollama": ollama} {
		for _, test := range errorBodies {
			t.Run(provider+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				u := listen(t, status(test.status, test.headers, test.body))
				text, _, err := ask(bounded(t), client(t, u))
				e := checkKind(t, err, test.want)
				if e.Status != test.status || e.Code != test.code {
					t.Errorf("status %d, code %q, want %d, %q", e.Status, e.Code, test.status, test.code)
				}
				if text != "" {
					t.Errorf("the client got %q", text)
				}
				for _, r := range u.Requests() {
					if strings.Contains(r.Path, "elsewhere") {
						t.Error("the redirect was followed")
					}
				}
			})
		}
	}
}

// brokenStreams are responses of status 200 that are incomplete or not what was asked for.
var brokenStreams = []struct {
	name string
	raw  string
	want upstream.Kind
	text string // before the failure
}{
	{"chunked body cut", chunkHead + chunk(delta("He")), upstream.KindTruncated, "He"},
	{"chunked body cut within a chunk", chunkHead + chunk(delta("He")) + "40\r\ndata: {", upstream.KindTruncated, "He"},
	{"chunked end without DONE", chunkHead + chunk(delta("He")) + "0\r\n\r\n", upstream.KindTruncated, "He"},
	{"body cut, by its length", strings.Replace(eventHead, "\r\n\r\n", "\r\nContent-Length: 1000\r\n\r\n", 1) + delta("He") + finish("stop") + done[:5], upstream.KindTruncated, "He"},
	{"end without DONE", eventHead + delta("He"), upstream.KindTruncated, "He"},
	{"end without DONE, finished", eventHead + delta("He") + finish("stop"), upstream.KindTruncated, "He"},
	{"DONE without a finish reason", eventHead + delta("He") + done, upstream.KindTruncated, "He"},
	{"DONE alone", eventHead + done, upstream.KindTruncated, ""},
	{"end in half a line", eventHead + delta("He") + `data: {"choices":[{"del`, upstream.KindTruncated, "He"},
	{"error first", eventHead + event(`{"error":{"message":"boom","type":"server_error"}}`) + done, upstream.KindUnavailable, ""},
	{"error mid-stream", eventHead + delta("He") + event(`{"error":{"message":"overloaded","type":"server_error"}}`) + done, upstream.KindUnavailable, "He"},
	{"error mid-stream, rate limit", eventHead + delta("He") + event(`{"error":{"message":"slow","code":429}}`) + done, upstream.KindRateLimited, "He"},
	{"error mid-stream, vLLM", eventHead + delta("He") + event(`{"object":"error","message":"bad","code":400}`) + done, upstream.KindRejected, "He"},
	{"error mid-stream, text", eventHead + delta("He") + event(`{"error":"boom"}`) + done, upstream.KindUnavailable, "He"},
	{"error instead of the end", eventHead + delta("He") + finish("stop") + event(`{"error":{"message":"boom"}}`) + done, upstream.KindUnavailable, "He"},
	{"event: error", eventHead + "event: error\ndata: {\"message\":\"boom\"}\n\n", upstream.KindUnavailable, ""},
	{"event: error, Groq", eventHead + delta("He") + "event: error\ndata: {\"error\":{\"message\":\"boom\",\"status_code\":500}}\n\n", upstream.KindUnavailable, "He"},
	{"event: error, Anthropic", eventHead + delta("He") + "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n", upstream.KindUnavailable, "He"},
	{"error next to empty choices, OpenRouter", eventHead + delta("He") + event(`{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":{"code":502,"message":"boom"}}`) + done, upstream.KindUnavailable, "He"},
	{"finish reason error", eventHead + delta("He") + finish("error") + done, upstream.KindUnavailable, "He"},
	{"quota mid-stream", eventHead + delta("He") + event(`{"error":{"message":"no","code":"insufficient_quota"}}`) + done, upstream.KindQuota, "He"},
	{"null event", eventHead + event(`null`) + done, upstream.KindTruncated, ""},
	{"list event", eventHead + event(`[]`) + done, upstream.KindTruncated, ""},
	{"null delta", eventHead + event(`{"choices":[{"index":0,"delta":null}]}`) + done, upstream.KindTruncated, ""},
	{"function call that is not there", eventHead + event(`{"choices":[{"index":0,"delta":{"function_call":null},"finish_reason":"function_call"}]}`) + done, upstream.KindBadResponse, ""},
	{"deeply nested", eventHead + event(strings.Repeat(`{"choices":[`, 20_000)) + done, upstream.KindBadResponse, ""},
	{"number out of range", eventHead + event(`{"choices":[{"index":1e999}]}`) + done, upstream.KindTruncated, ""},
	{"HTML", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n<html>log in</html>", upstream.KindBadResponse, ""},
	{"no content type", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + delta("He"), upstream.KindTruncated, "He"},
	{"plain text", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\nupstream timed out", upstream.KindBadResponse, ""},
	{"HTML as events", eventHead + "<!DOCTYPE html>\n<html>\ndata: {}\n\n", upstream.KindBadResponse, ""},
	{"content of another type", eventHead + event(`{"choices":[{"delta":{"content":7}}]}`) + done, upstream.KindBadResponse, ""},
	{"string instead of a delta", eventHead + event(`{"choices":[{"delta":"He"}]}`) + done, upstream.KindBadResponse, ""},
	{"lines of JSON without a reason", labelled("application/stream+json") + `{"choices":[{"delta":{"content":"He"}}]}` + "\n", upstream.KindTruncated, "He"},
	{"lines of JSON cut after the reason", chunkHead + chunk(`{"choices":[{"delta":{"content":"He"},"finish_reason":"stop"}]}`+"\n"), upstream.KindTruncated, "He"},
	{"lines of JSON, then another thing", labelled("") + `{"choices":[{"delta":{"content":"He"}}]}` + "\n[DO", upstream.KindBadResponse, "He"},
	{"cut JSON instead of a stream", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" + completion("x", "stop")[:60], upstream.KindTruncated, ""},
	{"empty", eventHead, upstream.KindTruncated, ""},
	{"cut JSON", eventHead + event(`{"choices":[{"delta":{"content":"He`) + delta("He") + finish("stop") + done, upstream.KindBadResponse, ""},
	{"cut JSON after an empty reason", eventHead + event(`{"choices":[{"delta":{"content":"He"},"finish_reason":"null"}]}`) + event(`{"choices":[{`) + goodEnd, upstream.KindBadResponse, "He"},
	{"cut text", eventHead + delta("He") + event(`"llo`) + finish("stop") + done, upstream.KindBadResponse, "He"},
	{"error mid-stream, in a list", eventHead + delta("He") + event(`[{"error":{"code":503}}]`) + finish("stop") + done, upstream.KindUnavailable, "He"},
	{"chunked end within an event", chunkHead + chunk(delta("He")+"data: {") + "0\r\n\r\n", upstream.KindTruncated, "He"},
	{"a connection that closes after malformed data", eventHead + delta("He") + finish("stop") + event("{"), upstream.KindTruncated, "He"},
	{"no choices", eventHead + event(`{"id":"x"}`) + done, upstream.KindTruncated, ""},
	{"wrong types", eventHead + event(`{"choices":"none"}`) + done, upstream.KindBadResponse, ""},
	{"no text", eventHead + finish("stop") + done, upstream.KindEmpty, ""},
	{"length", eventHead + delta("He") + finish("length") + done, upstream.KindLength, "He"},
	{"length, then an empty choice", eventHead + delta("He") + finish("length") + delta("") + done, upstream.KindLength, "He"},
	{"content filter", eventHead + delta("He") + finish("content_filter") + done, upstream.KindFiltered, "He"},
	{"refusal", eventHead + event(`{"choices":[{"index":0,"delta":{"refusal":"I can't"}}]}`) + finish("stop") + done, upstream.KindFiltered, ""},
	{"unknown finish reason without text", eventHead + finish("bored") + done, upstream.KindEmpty, ""},
	{"tool calls", eventHead + event(`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}}]}`) + finish("tool_calls") + done, upstream.KindBadResponse, ""},
	{"null tool call", eventHead + event(`{"choices":[{"index":0,"delta":{"tool_calls":[null]}}]}`) + done, upstream.KindTruncated, ""},
	{"null choice", eventHead + event(`{"choices":[null]}`) + done, upstream.KindTruncated, ""},
	{"too large", eventHead + strings.Repeat(": keep-alive\n\n", 1<<17), upstream.KindBadResponse, ""},
	{"one endless line", eventHead + "data: " + strings.Repeat("x", 2<<20), upstream.KindBadResponse, ""},
	{"one endless event", eventHead + "data: [0\n" + strings.Repeat("data: ,0\n", 2<<20/9), upstream.KindBadResponse, ""},
	{"no HTTP", "SSH-2.0-OpenSSH\r\n", upstream.KindUnreachable, ""},
	{"nothing at all", "", upstream.KindUnreachable, ""},
}

func TestBrokenStream(t *testing.T) {
	t.Parallel()
	for _, test := range brokenStreams {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text, _, err := ask(bounded(t), openAI(t, listen(t, raw(test.raw))))
			checkKind(t, err, test.want)
			if text != test.text {
				t.Errorf("the client got %q, want %q", text, test.text)
			}
		})
	}
}

func TestGoodStream(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A", 70<<10)
	for _, test := range []struct{ name, raw, want string }{
		{"plain", eventHead + delta("He") + delta("llo") + finish("stop") + usageEvent + done, "Hello"},
		{"CRLF", eventHead + strings.ReplaceAll(delta("He")+finish("stop")+usageEvent+done, "\n", "\r\n"), "He"},
		{"BOM", eventHead + "\ufeff" + delta("He") + finish("stop") + usageEvent + done, "He"},
		{"comments, no space after the colon", eventHead + ": hi\n\n" + strings.ReplaceAll(delta("He")+finish("stop")+usageEvent+done, "data: ", "data:"), "He"},
		{"lines without data", eventHead + "data:\n\n" + delta("He") + "data: \n" + finish("stop") + usageEvent + "data:\n\ndata:\n" + done, "He"},
		{"event over two lines", eventHead + "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"He\"}}]}\n\n" + finish("stop") + usageEvent + done, "He"},
		{"no empty lines between events", eventHead + strings.ReplaceAll(delta("He")+delta("llo")+finish("stop")+usageEvent+done, "\n\n", "\n"), "Hello"},
		{"no newline at the end", eventHead + delta("He") + finish("stop") + usageEvent + "data: [DONE]", "He"},
		{"a line of 70 KiB", eventHead + delta(long) + finish("stop") + usageEvent + done, long},
		{"bytes after DONE", eventHead + delta("He") + finish("stop") + usageEvent + done + delta("EVIL"), "He"},
		{"a second choice", eventHead + delta("He") + event(`{"choices":[{"index":1,"delta":{"content":"B"}}]}`) + finish("stop") + usageEvent + done, "He"},
		{"reasoning apart", eventHead + event(`{"choices":[{"index":0,"delta":{"reasoning_content":"hm","reasoning":"hm"}}]}`) + delta("He") + finish("stop") + usageEvent + done, "He"},
		{"body cut after DONE", chunkHead + chunk(delta("He")+finish("stop")+usageEvent+done), "He"},
		{"an empty choice after the end", eventHead + delta("He") + finish("stop") + delta("") + usageEvent + done, "He"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text, result, err := ask(bounded(t), openAI(t, listen(t, raw(test.raw))))
			if err != nil {
				t.Fatal(err)
			}
			if text != test.want {
				t.Errorf("the client got %q, want %q", text, test.want)
			}
			if result.FinishReason != "stop" || result.Model == "" || result.Usage != (upstream.Usage{Prompt: 11, Completion: 3}) {
				t.Errorf("the result is %+v", result)
			}
		})
	}
}

// brokenLines are incomplete responses without events.
var brokenLines = []struct {
	name string
	raw  string
	want upstream.Kind
	text string
}{
	{"chunked body cut", strings.Replace(chunkHead, "text/event-stream", "application/x-ndjson", 1) + chunk(line("He")), upstream.KindTruncated, "He"},
	{"body cut, by its length", strings.Replace(lineHead, "\r\n\r\n", "\r\nContent-Length: 1000\r\n\r\n", 1) + line("He"), upstream.KindTruncated, "He"},
	{"end without done", lineHead + line("He"), upstream.KindTruncated, "He"},
	{"end in half a line", lineHead + line("He") + `{"model":"m-1","mess`, upstream.KindTruncated, "He"},
	{"empty", lineHead, upstream.KindTruncated, ""},
	{"error first", lineHead + `{"error":"boom"}` + "\n", upstream.KindUnavailable, ""},
	{"error mid-stream", lineHead + line("He") + `{"error":"runner killed"}` + "\n", upstream.KindUnavailable, "He"},
	{"HTML", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n<html>log in</html>", upstream.KindBadResponse, ""},
	{"no JSON", lineHead + "not json\n", upstream.KindBadResponse, ""},
	{"error as an object", lineHead + line("He") + `{"error":{"message":"slow","code":429}}` + "\n", upstream.KindRateLimited, "He"},
	{"error next to done", lineHead + line("He") + `{"error":"boom","choices":[{"finish_reason":"stop"}]}` + "\n", upstream.KindUnavailable, "He"},
	{"quota mid-stream", lineHead + line("He") + `{"error":{"code":"insufficient_quota"}}` + "\n", upstream.KindQuota, "He"},
	{"content filter", lineHead + line("He") + lastLine("content_filter"), upstream.KindFiltered, "He"},
	{"null", lineHead + "null\n", upstream.KindTruncated, ""},
	{"list", lineHead + "[]\n", upstream.KindTruncated, ""},
	{"wrong types", lineHead + `{"choices":[{"delta":"hi"}]}` + "\n", upstream.KindBadResponse, ""},
	{"null tool call", lineHead + `{"choices":[{"delta":{"tool_calls":[null]}}]}` + "\n" + lastLine("stop"), upstream.KindEmpty, ""},
	{"deeply nested", lineHead + strings.Repeat(`{"choices":[{"delta":`, 20_000) + "\n", upstream.KindBadResponse, ""},
	{"no HTTP", "SSH-2.0-OpenSSH\r\n", upstream.KindUnreachable, ""},
	{"another object", lineHead + `{"status":"pulling"}` + "\n", upstream.KindTruncated, ""},
	{"a delta of null", lineHead + `{"choices":[{"delta":null}]}` + "\n", upstream.KindTruncated, ""},
	{"no text", lineHead + lastLine("stop"), upstream.KindEmpty, ""},
	{"model just loaded", lineHead + lastLine("load"), upstream.KindBadResponse, ""},
	{"length", lineHead + line("He") + lastLine("length"), upstream.KindLength, "He"},
	{"too large", lineHead + strings.Repeat(line(strings.Repeat("x", 1000)), 2000), upstream.KindBadResponse, "*"},
	{"one endless line", lineHead + `{"choices":[{"delta":{"content":"` + strings.Repeat("x", 2<<20), upstream.KindBadResponse, ""},
	{"nothing at all", "", upstream.KindUnreachable, ""},
}

func TestBrokenLines(t *testing.T) {
	t.Parallel()
	for _, test := range brokenLines {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text, _, err := ask(bounded(t), openAI(t, listen(t, raw(test.raw))))
			checkKind(t, err, test.want)
			if text != test.text && test.text != "*" {
				t.Errorf("the client got %q, want %q", text, test.text)
			}
		})
	}
}

// A reply that is not streamed fails for the same reasons as a stream.
func TestBrokenLinesOfReply(t *testing.T) {
	t.Parallel()
	for _, test := range brokenLines {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := reply(bounded(t), openAI(t, listen(t, raw(test.raw))))
			checkKind(t, err, test.want)
		})
	}
}

func TestGoodLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A", 600<<10)
	for _, test := range []struct{ name, raw, want string }{
		{"plain", lineHead + line("He") + line("llo") + lastLine("stop"), "Hello"},
		{"a long line", lineHead + line(long) + lastLine("stop"), long},
		{"no newline at the end", lineHead + line("He") + strings.TrimSpace(lastLine("stop")), "He"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text, result, err := ask(bounded(t), openAI(t, listen(t, raw(test.raw))))
			if err != nil {
				t.Fatal(err)
			}
			if text != test.want {
				t.Errorf("the client got %d bytes, want %d", len(text), len(test.want))
			}
			if result.FinishReason != "stop" || result.Model != "m-1" || result.Usage != (upstream.Usage{Prompt: 11, Completion: 3}) {
				t.Errorf("the result is %+v", result)
			}
		})
	}
}

// An answer that is not streamed fails if it is incomplete or malformed.
func TestBrokenCompletion(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
	for _, test := range []struct {
		name string
		raw  string
		want upstream.Kind
	}{
		{"no choices", head + "\r\n" + `{"choices":[]}`, upstream.KindTruncated},
		{"null choice", head + "\r\n" + `{"choices":[null]}`, upstream.KindTruncated},
		{"error", head + "\r\n" + `{"error":{"message":"boom"}}`, upstream.KindUnavailable},
		{"refusal", head + "\r\n" + `{"choices":[{"message":{"content":null,"refusal":"no"},"finish_reason":"stop"}]}`, upstream.KindFiltered},
		{"no text", head + "\r\n" + `{"choices":[{"message":{"content":null},"finish_reason":"stop"}]}`, upstream.KindEmpty},
		{"content of another type", head + "\r\n" + `{"choices":[{"message":{"content":7},"finish_reason":"stop"}]}`, upstream.KindBadResponse},
		{"HTML", head + "\r\n<html>", upstream.KindBadResponse},
		{"cut, by its length", head + "Content-Length: 1000\r\n\r\n" + `{"choices":[{"message":{"con`, upstream.KindTruncated},
		{"cut, cleanly", head + "\r\n" + `{"choices":[{"message":{"con`, upstream.KindTruncated},
		{"length", head + "\r\n" + completion(`{"title":"x`, "length"), upstream.KindLength},
		{"content filter", head + "\r\n" + completion(`x`, "content_filter"), upstream.KindFiltered},
		{"function call that is not there", head + "\r\n" + completion(`x`, "function_call"), upstream.KindBadResponse},
		{"no finish reason", head + "\r\n" + completion(`x`, ""), upstream.KindTruncated},
		{"too large", head + "\r\n" + completion(strings.Repeat("x", 2<<20), "stop"), upstream.KindBadResponse},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := reply(bounded(t), openAI(t, listen(t, raw(test.raw))))
			checkKind(t, err, test.want)
		})
	}
}

func TestStalled(t *testing.T) {
	t.Parallel()
	const patience = 50 * time.Millisecond
	first, idle := upstream.Config{FirstByteTimeout: patience}, upstream.Config{IdleTimeout: patience}
	for _, test := range []struct {
		name, provider, raw, text string
		cfg                       upstream.Config
		want                      upstream.Kind
	}{
		{"openai, before the head", "openai", "", "", first, upstream.KindTimeout},
		{"openai, after the head", "openai", eventHead, "", first, upstream.KindTimeout},
		{"openai, after a comment", "openai", eventHead + ": hi\n\n", "", first, upstream.KindTimeout},
		{"openai, after an event without content", "openai", eventHead + event(`{"choices":[{"delta":{"role":"assistant","content":""}}]}`), "", first, upstream.KindTimeout},
		{"openai, after a thought", "openai", eventHead + thought("hm"), "", idle, upstream.KindStalled},
		{"openai, after text", "openai", eventHead + delta("He"), "He", idle, upstream.KindStalled},
		{"openai, within a line", "openai", eventHead + delta("He") + "data: {", "He", idle, upstream.KindStalled},
		{"openai, within a whole answer", "openai", eventHead + `{"choices":[`, "", idle, upstream.KindStalled},
		{"ollama, before the head", "ollama", "", "", first, upstream.KindTimeout},
		{"ollama, after the head", "ollama", lineHead, "", first, upstream.KindTimeout},
		{"ollama, after text", "ollama", lineHead + line("He"), "He", idle, upstream.KindStalled},
		{"ollama, within a line", "ollama", lineHead + line("He") + `{"choices":`, "He", idle, upstream.KindStalled},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := listen(t, untilClosed(test.raw))
			test.cfg.Provider, test.cfg.BaseURL, test.cfg.OllamaHost = test.provider, u.URL, u.URL
			text, _, err := ask(bounded(t), newModel(t, test.cfg))
			checkKind(t, err, test.want)
			if text != test.text {
				t.Errorf("the client got %q, want %q", text, test.text)
			}
		})
	}
}

// A stall is reported as such, even if the transport returns the error of its context.
func TestStalledTransport(t *testing.T) {
	t.Parallel()
	c := newModel(t, upstream.Config{Provider: "openai", BaseURL: "http://upstream.test", IdleTimeout: 20 * time.Millisecond, HTTPClient: &http.Client{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return stream(io.MultiReader(strings.NewReader(delta("He")), reader(func([]byte) (int, error) {
				<-r.Context().Done()
				return 0, r.Context().Err()
			}))), nil
		}),
	}})
	_, _, err := ask(bounded(t), c)
	checkKind(t, err, upstream.KindStalled)
}

// reader is a function as an io.Reader.
type reader func([]byte) (int, error)

func (f reader) Read(p []byte) (int, error) { return f(p) }

// The total timeout ends a response that is never silent for long and never ends.
func TestDrip(t *testing.T) {
	t.Parallel()
	drip := func(head, repeated string) script {
		return func(conn net.Conn) {
			_, err := io.WriteString(conn, head)
			for ; err == nil; _, err = io.WriteString(conn, repeated) {
				<-time.After(time.Millisecond)
			}
		}
	}
	for _, test := range []struct {
		provider string
		script   script
	}{
		{"openai", drip(eventHead, ": wait\n\n")},
		{"ollama", drip(lineHead, "\n")},
	} {
		t.Run(test.provider, func(t *testing.T) {
			t.Parallel()
			u := listen(t, test.script)
			c := newModel(t, upstream.Config{Provider: test.provider, BaseURL: u.URL, OllamaHost: u.URL, Timeout: 200 * time.Millisecond})
			_, _, err := ask(bounded(t), c)
			checkKind(t, err, upstream.KindTimeout)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v is not context.DeadlineExceeded", err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	// No server listens there. Another test may use a port that was free a moment ago, but the system
	// never assigns this one.
	const address = "http://127.0.0.1:1"
	for _, provider := range []string{"openai", "ollama"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			_, _, err := ask(bounded(t), newModel(t, upstream.Config{Provider: provider, BaseURL: address, OllamaHost: address}))
			checkKind(t, err, upstream.KindUnreachable)
		})
	}
}

// A response that never ends fails once it is larger than the limit.
func TestRunaway(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		provider, head string
		repeated       func(string) string
	}{
		{"openai", eventHead, delta},
		{"ollama", lineHead, line},
	} {
		t.Run(test.provider, func(t *testing.T) {
			t.Parallel()
			u := listen(t, func(conn net.Conn) {
				_, err := io.WriteString(conn, test.head)
				for i := 0; err == nil; i++ {
					_, err = io.WriteString(conn, test.repeated(strconv.Itoa(i)))
				}
			})
			c := newModel(t, upstream.Config{Provider: test.provider, BaseURL: u.URL, OllamaHost: u.URL, MaxBytes: 64 << 10})
			text, _, err := ask(bounded(t), c)
			checkKind(t, err, upstream.KindBadResponse)
			if len(text) == 0 || len(text) > 64<<10 {
				t.Errorf("the client got %d bytes", len(text))
			}
		})
	}
}

// The total timeout ends a request that gets no response.
func TestSilence(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "ollama"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			u := listen(t, untilClosed(""))
			c := newModel(t, upstream.Config{Provider: provider, BaseURL: u.URL, OllamaHost: u.URL, Timeout: 50 * time.Millisecond})
			_, _, err := ask(bounded(t), c)
			checkKind(t, err, upstream.KindTimeout)
		})
	}
}
