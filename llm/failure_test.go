package llm_test

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

	"example.com/pagila-api/llm"
)

// checkKind fails the test unless err is an *llm.Error of the kind, without the key in its text.
func checkKind(t *testing.T, err error, want llm.Kind) *llm.Error {
	t.Helper()
	e, ok := errors.AsType[*llm.Error](err)
	if !ok {
		t.Fatalf("the error is %v, want an *llm.Error of kind %s", err, want)
	}
	if e.Kind != want {
		t.Fatalf("kind is %s, want %s: %v", e.Kind, want, err)
	}
	if strings.Contains(err.Error(), key) {
		t.Errorf("the error holds the key: %v", err)
	}
	return e
}

// errorBodies are answers of upstreams with an error's status, in the shapes of several servers.
var errorBodies = []struct {
	name    string
	status  int
	headers string
	body    string
	want    llm.Kind
	code    string
}{
	{"wrong key", 401, "", `{"error":{"message":"Incorrect API key provided: ` + key + `","code":"invalid_api_key"}}`, llm.KindAuth, "invalid_api_key"},
	{"forbidden", 403, "", `{"error":{"message":"Country not supported","code":"unsupported_country_region_territory"}}`, llm.KindAuth, "unsupported_country_region_territory"},
	{"out of credit", 402, "", `{"error":{"message":"no credits"}}`, llm.KindQuota, ""},
	{"quota", 429, "", `{"error":{"message":"You exceeded your quota","code":"insufficient_quota"}}`, llm.KindQuota, "insufficient_quota"},
	{"quota by type", 429, "", `{"error":{"message":"You exceeded your quota","type":"insufficient_quota","code":null}}`, llm.KindQuota, "insufficient_quota"},
	{"rate limit", 429, "Retry-After: 3600\r\n", `{"error":{"message":"slow down","code":"rate_limit_exceeded"}}`, llm.KindRateLimited, "rate_limit_exceeded"},
	{"rate limit, no JSON", 429, "", `slow down`, llm.KindRateLimited, ""},
	{"unknown model", 404, "", `{"error":{"message":"no such model","code":"model_not_found"}}`, llm.KindNoModel, "model_not_found"},
	{"unknown model, Ollama", 404, "", `{"error":"model \"x\" not found, try pulling it first"}`, llm.KindNoModel, ""},
	{"unknown model, vLLM", 404, "", `{"object":"error","message":"The model x does not exist.","type":"NotFoundError","code":404}`, llm.KindNoModel, "404"},
	{"unknown model, OpenRouter", 400, "", `{"error":{"message":"x is not a valid model ID","code":400}}`, llm.KindNoModel, "400"},
	{"unknown model, DeepSeek", 400, "", `{"error":{"message":"Model Not Exist","type":"invalid_request_error"}}`, llm.KindNoModel, "invalid_request_error"},
	{"unknown path", 404, "", `{"detail":"Not Found"}`, llm.KindRejected, ""},
	{"error as text", 404, "", `{"error":"page not found"}`, llm.KindRejected, ""},
	{"error in a list, Google", 400, "", `[{"error":{"code":400,"message":"API key not valid","status":"UNAUTHENTICATED"}}]`, llm.KindAuth, "400"},
	{"prompt too long, vLLM", 400, "", `{"object":"error","message":"This model's maximum context length is 4096 tokens.","code":400}`, llm.KindTooLong, "400"},
	{"filtered prompt, in words", 400, "", `{"error":{"message":"The prompt triggers our content management policy."}}`, llm.KindFiltered, ""},
	{"vLLM's shape", 400, "", `{"object":"error","message":"bad thing","type":"BadRequestError","code":400}`, llm.KindRejected, "400"},
	{"prompt too long", 400, "", `{"error":{"message":"maximum context length","code":"context_length_exceeded"}}`, llm.KindTooLong, "context_length_exceeded"},
	{"filtered prompt", 400, "", `{"error":{"message":"filtered","code":"content_filter"}}`, llm.KindFiltered, "content_filter"},
	{"server error", 500, "", `{"error":{"message":"boom"}}`, llm.KindUnavailable, ""},
	{"bad gateway, HTML", 502, "", `<html>bad gateway</html>`, llm.KindUnavailable, ""},
	{"unavailable, empty", 503, "", ``, llm.KindUnavailable, ""},
	{"another success", 201, "", completion("x", "stop"), llm.KindBadResponse, ""},
	{"redirect", 302, "Location: /elsewhere\r\n", ``, llm.KindRejected, ""},
	{"permanent redirect", 308, "Location: /elsewhere\r\n", ``, llm.KindRejected, ""},
}

func TestErrorStatus(t *testing.T) {
	t.Parallel()
	for provider, client := range map[string]func(*testing.T, *upstream) *llm.Client{"openai": openAI, "ollama": ollama} {
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
				for _, r := range u.got() {
					if strings.Contains(r.path, "elsewhere") {
						t.Error("the redirect was followed")
					}
				}
			})
		}
	}
}

// brokenStreams are responses of status 200 that are not whole, or not what was asked for.
var brokenStreams = []struct {
	name string
	raw  string
	want llm.Kind
	text string // what comes before the failure
}{
	{"chunked body cut", chunkHead + chunk(delta("He")), llm.KindTruncated, "He"},
	{"chunked body cut within a chunk", chunkHead + chunk(delta("He")) + "40\r\ndata: {", llm.KindTruncated, "He"},
	{"chunked end without DONE", chunkHead + chunk(delta("He")) + "0\r\n\r\n", llm.KindTruncated, "He"},
	{"body cut, by its length", strings.Replace(eventHead, "\r\n\r\n", "\r\nContent-Length: 1000\r\n\r\n", 1) + delta("He") + finish("stop") + done[:5], llm.KindTruncated, "He"},
	{"end without DONE", eventHead + delta("He"), llm.KindTruncated, "He"},
	{"end without DONE, finished", eventHead + delta("He") + finish("stop"), llm.KindTruncated, "He"},
	{"DONE without a finish reason", eventHead + delta("He") + done, llm.KindTruncated, "He"},
	{"DONE alone", eventHead + done, llm.KindTruncated, ""},
	{"end in half a line", eventHead + delta("He") + `data: {"choices":[{"del`, llm.KindTruncated, "He"},
	{"error first", eventHead + event(`{"error":{"message":"boom","type":"server_error"}}`) + done, llm.KindUnavailable, ""},
	{"error mid-stream", eventHead + delta("He") + event(`{"error":{"message":"overloaded","type":"server_error"}}`) + done, llm.KindUnavailable, "He"},
	{"error mid-stream, rate limit", eventHead + delta("He") + event(`{"error":{"message":"slow","code":429}}`) + done, llm.KindRateLimited, "He"},
	{"error mid-stream, vLLM", eventHead + delta("He") + event(`{"object":"error","message":"bad","code":400}`) + done, llm.KindRejected, "He"},
	{"error mid-stream, text", eventHead + delta("He") + event(`{"error":"boom"}`) + done, llm.KindUnavailable, "He"},
	{"error in place of the end", eventHead + delta("He") + finish("stop") + event(`{"error":{"message":"boom"}}`) + done, llm.KindUnavailable, "He"},
	{"event: error", eventHead + "event: error\ndata: {\"message\":\"boom\"}\n\n", llm.KindUnavailable, ""},
	{"event: error, Groq", eventHead + delta("He") + "event: error\ndata: {\"error\":{\"message\":\"boom\",\"status_code\":500}}\n\n", llm.KindUnavailable, "He"},
	{"event: error, Anthropic", eventHead + delta("He") + "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n", llm.KindUnavailable, "He"},
	{"error beside empty choices, OpenRouter", eventHead + delta("He") + event(`{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":{"code":502,"message":"boom"}}`) + done, llm.KindUnavailable, "He"},
	{"finish reason error", eventHead + delta("He") + finish("error") + done, llm.KindUnavailable, "He"},
	{"quota mid-stream", eventHead + delta("He") + event(`{"error":{"message":"no","code":"insufficient_quota"}}`) + done, llm.KindQuota, "He"},
	{"null event", eventHead + event(`null`) + done, llm.KindTruncated, ""},
	{"list event", eventHead + event(`[]`) + done, llm.KindTruncated, ""},
	{"null delta", eventHead + event(`{"choices":[{"index":0,"delta":null}]}`) + done, llm.KindTruncated, ""},
	{"function call that is not there", eventHead + event(`{"choices":[{"index":0,"delta":{"function_call":null},"finish_reason":"function_call"}]}`) + done, llm.KindBadResponse, ""},
	{"deeply nested", eventHead + event(strings.Repeat(`{"choices":[`, 20_000)) + done, llm.KindBadResponse, ""},
	{"number out of range", eventHead + event(`{"choices":[{"index":1e999}]}`) + done, llm.KindTruncated, ""},
	{"HTML", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n<html>log in</html>", llm.KindBadResponse, ""},
	{"no content type", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + delta("He"), llm.KindTruncated, "He"},
	{"plain text", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\nupstream timed out", llm.KindBadResponse, ""},
	{"HTML as events", eventHead + "<!DOCTYPE html>\n<html>\ndata: {}\n\n", llm.KindBadResponse, ""},
	{"content of another type", eventHead + event(`{"choices":[{"delta":{"content":7}}]}`) + done, llm.KindBadResponse, ""},
	{"text in place of a delta", eventHead + event(`{"choices":[{"delta":"He"}]}`) + done, llm.KindBadResponse, ""},
	{"lines of JSON without a reason", labelled("application/stream+json") + `{"choices":[{"delta":{"content":"He"}}]}` + "\n", llm.KindTruncated, "He"},
	{"lines of JSON cut after the reason", chunkHead + chunk(`{"choices":[{"delta":{"content":"He"},"finish_reason":"stop"}]}`+"\n"), llm.KindTruncated, "He"},
	{"lines of JSON, then another thing", labelled("") + `{"choices":[{"delta":{"content":"He"}}]}` + "\n[DO", llm.KindBadResponse, "He"},
	{"cut JSON in place of a stream", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" + completion("x", "stop")[:60], llm.KindTruncated, ""},
	{"empty", eventHead, llm.KindTruncated, ""},
	{"cut JSON", eventHead + event(`{"choices":[{"delta":{"content":"He`) + delta("He") + finish("stop") + done, llm.KindBadResponse, ""},
	{"cut JSON after an empty reason", eventHead + event(`{"choices":[{"delta":{"content":"He"},"finish_reason":"null"}]}`) + event(`{"choices":[{`) + goodEnd, llm.KindBadResponse, "He"},
	{"cut text", eventHead + delta("He") + event(`"llo`) + finish("stop") + done, llm.KindBadResponse, "He"},
	{"error mid-stream, in a list", eventHead + delta("He") + event(`[{"error":{"code":503}}]`) + finish("stop") + done, llm.KindUnavailable, "He"},
	{"chunked end within an event", chunkHead + chunk(delta("He")+"data: {") + "0\r\n\r\n", llm.KindTruncated, "He"},
	{"a connection that closes after malformed data", eventHead + delta("He") + finish("stop") + event("{"), llm.KindTruncated, "He"},
	{"no choices", eventHead + event(`{"id":"x"}`) + done, llm.KindTruncated, ""},
	{"wrong types", eventHead + event(`{"choices":"none"}`) + done, llm.KindBadResponse, ""},
	{"no text", eventHead + finish("stop") + done, llm.KindEmpty, ""},
	{"length", eventHead + delta("He") + finish("length") + done, llm.KindLength, "He"},
	{"length, then an empty choice", eventHead + delta("He") + finish("length") + delta("") + done, llm.KindLength, "He"},
	{"content filter", eventHead + delta("He") + finish("content_filter") + done, llm.KindFiltered, "He"},
	{"refusal", eventHead + event(`{"choices":[{"index":0,"delta":{"refusal":"I can't"}}]}`) + finish("stop") + done, llm.KindFiltered, ""},
	{"unknown finish reason without text", eventHead + finish("bored") + done, llm.KindEmpty, ""},
	{"tool calls", eventHead + event(`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}}]}`) + finish("tool_calls") + done, llm.KindBadResponse, ""},
	{"null tool call", eventHead + event(`{"choices":[{"index":0,"delta":{"tool_calls":[null]}}]}`) + done, llm.KindTruncated, ""},
	{"null choice", eventHead + event(`{"choices":[null]}`) + done, llm.KindTruncated, ""},
	{"too large", eventHead + strings.Repeat(": keep-alive\n\n", 1<<17), llm.KindBadResponse, ""},
	{"one endless line", eventHead + "data: " + strings.Repeat("x", 2<<20), llm.KindBadResponse, ""},
	{"one endless event", eventHead + "data: [0\n" + strings.Repeat("data: ,0\n", 2<<20/9), llm.KindBadResponse, ""},
	{"no HTTP", "SSH-2.0-OpenSSH\r\n", llm.KindUnreachable, ""},
	{"nothing at all", "", llm.KindUnreachable, ""},
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
			if result.FinishReason != "stop" || result.Model == "" || result.Usage != (llm.Usage{Prompt: 11, Completion: 3}) {
				t.Errorf("the result is %+v", result)
			}
		})
	}
}

// brokenLines are Ollama's responses that are not whole.
var brokenLines = []struct {
	name string
	raw  string
	want llm.Kind
	text string
}{
	{"chunked body cut", strings.Replace(chunkHead, "text/event-stream", "application/x-ndjson", 1) + chunk(line("He")), llm.KindTruncated, "He"},
	{"body cut, by its length", strings.Replace(lineHead, "\r\n\r\n", "\r\nContent-Length: 1000\r\n\r\n", 1) + line("He"), llm.KindTruncated, "He"},
	{"end without done", lineHead + line("He"), llm.KindTruncated, "He"},
	{"end in half a line", lineHead + line("He") + `{"model":"m-1","mess`, llm.KindTruncated, "He"},
	{"empty", lineHead, llm.KindTruncated, ""},
	{"error first", lineHead + `{"error":"boom"}` + "\n", llm.KindUnavailable, ""},
	{"error mid-stream", lineHead + line("He") + `{"error":"runner killed"}` + "\n", llm.KindUnavailable, "He"},
	{"HTML", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n<html>log in</html>", llm.KindBadResponse, ""},
	{"no JSON", lineHead + "not json\n", llm.KindBadResponse, ""},
	{"error as an object", lineHead + line("He") + `{"error":{"message":"slow","code":429}}` + "\n", llm.KindRateLimited, "He"},
	{"error beside done", lineHead + line("He") + `{"error":"boom","done":true}` + "\n", llm.KindUnavailable, "He"},
	{"quota mid-stream", lineHead + line("He") + `{"error":{"code":"insufficient_quota"}}` + "\n", llm.KindQuota, "He"},
	{"content filter", lineHead + line("He") + lastLine("content_filter"), llm.KindFiltered, "He"},
	{"null", lineHead + "null\n", llm.KindTruncated, ""},
	{"list", lineHead + "[]\n", llm.KindTruncated, ""},
	{"wrong types", lineHead + `{"message":"hi"}` + "\n", llm.KindBadResponse, ""},
	{"null tool call", lineHead + `{"message":{"tool_calls":[null]}}` + "\n" + lastLine("stop"), llm.KindEmpty, ""},
	{"deeply nested", lineHead + strings.Repeat(`{"message":`, 20_000) + "\n", llm.KindBadResponse, ""},
	{"no HTTP", "SSH-2.0-OpenSSH\r\n", llm.KindUnreachable, ""},
	{"another object", lineHead + `{"status":"pulling"}` + "\n", llm.KindTruncated, ""},
	{"a message of null", lineHead + `{"message":null}` + "\n", llm.KindTruncated, ""},
	{"no text", lineHead + lastLine("stop"), llm.KindEmpty, ""},
	{"model just loaded", lineHead + lastLine("load"), llm.KindBadResponse, ""},
	{"length", lineHead + line("He") + lastLine("length"), llm.KindLength, "He"},
	{"too large", lineHead + strings.Repeat(line(strings.Repeat("x", 1000)), 2000), llm.KindBadResponse, "*"},
	{"one endless line", lineHead + `{"message":{"content":"` + strings.Repeat("x", 2<<20), llm.KindBadResponse, ""},
	{"nothing at all", "", llm.KindUnreachable, ""},
}

func TestBrokenOllama(t *testing.T) {
	t.Parallel()
	for _, test := range brokenLines {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text, _, err := ask(bounded(t), ollama(t, listen(t, raw(test.raw))))
			checkKind(t, err, test.want)
			if text != test.text && test.text != "*" {
				t.Errorf("the client got %q, want %q", text, test.text)
			}
		})
	}
}

// TestBrokenOllamaSummary has the same responses in place of a summary.
func TestBrokenOllamaSummary(t *testing.T) {
	t.Parallel()
	for _, test := range brokenLines {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := ollama(t, listen(t, raw(test.raw))).Summarize(bounded(t), film())
			checkKind(t, err, test.want)
		})
	}
}

func TestGoodOllama(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A", 600<<10) // the adapter's own limit for a line is 512 kB
	for _, test := range []struct{ name, raw, want string }{
		{"plain", lineHead + line("He") + line("llo") + lastLine("stop"), "Hello"},
		{"a long line", lineHead + line(long) + lastLine("stop"), long},
		{"no newline at the end", lineHead + line("He") + strings.TrimSpace(lastLine("stop")), "He"},
		{"an old version gives no reason", lineHead + line("He") + `{"done":true,"prompt_eval_count":11,"eval_count":3}` + "\n", "He"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text, result, err := ask(bounded(t), ollama(t, listen(t, raw(test.raw))))
			if err != nil {
				t.Fatal(err)
			}
			if text != test.want {
				t.Errorf("the client got %d bytes, want %d", len(text), len(test.want))
			}
			if result.FinishReason != "stop" || result.Model != "m-1" || result.Usage != (llm.Usage{Prompt: 11, Completion: 3}) {
				t.Errorf("the result is %+v", result)
			}
		})
	}
}

// TestBrokenCompletion is about the whole answers that a summary asks OpenAI for.
func TestBrokenCompletion(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
	for _, test := range []struct {
		name string
		raw  string
		want llm.Kind
	}{
		{"no choices", head + "\r\n" + `{"choices":[]}`, llm.KindTruncated},
		{"null choice", head + "\r\n" + `{"choices":[null]}`, llm.KindTruncated},
		{"error", head + "\r\n" + `{"error":{"message":"boom"}}`, llm.KindUnavailable},
		{"refusal", head + "\r\n" + `{"choices":[{"message":{"content":null,"refusal":"no"},"finish_reason":"stop"}]}`, llm.KindFiltered},
		{"no text", head + "\r\n" + `{"choices":[{"message":{"content":null},"finish_reason":"stop"}]}`, llm.KindEmpty},
		{"content of another type", head + "\r\n" + `{"choices":[{"message":{"content":7},"finish_reason":"stop"}]}`, llm.KindBadResponse},
		{"HTML", head + "\r\n<html>", llm.KindBadResponse},
		{"cut, by its length", head + "Content-Length: 1000\r\n\r\n" + `{"choices":[{"message":{"con`, llm.KindTruncated},
		{"cut, cleanly", head + "\r\n" + `{"choices":[{"message":{"con`, llm.KindTruncated},
		{"length", head + "\r\n" + completion(`{"title":"x`, "length"), llm.KindLength},
		{"content filter", head + "\r\n" + completion(`x`, "content_filter"), llm.KindFiltered},
		{"function call that is not there", head + "\r\n" + completion(`x`, "function_call"), llm.KindBadResponse},
		{"no finish reason", head + "\r\n" + completion(`x`, ""), llm.KindTruncated},
		{"too large", head + "\r\n" + completion(strings.Repeat("x", 2<<20), "stop"), llm.KindBadResponse},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := openAI(t, listen(t, raw(test.raw))).Summarize(bounded(t), film())
			checkKind(t, err, test.want)
		})
	}
}

func TestStalled(t *testing.T) {
	t.Parallel()
	const patience = 50 * time.Millisecond
	first, idle := llm.Config{FirstByteTimeout: patience}, llm.Config{IdleTimeout: patience}
	for _, test := range []struct {
		name, provider, raw, text string
		cfg                       llm.Config
		want                      llm.Kind
	}{
		{"openai, before the head", "openai", "", "", first, llm.KindTimeout},
		{"openai, after the head", "openai", eventHead, "", first, llm.KindTimeout},
		{"openai, after a comment", "openai", eventHead + ": hi\n\n", "", first, llm.KindTimeout},
		{"openai, after an event without content", "openai", eventHead + event(`{"choices":[{"delta":{"role":"assistant","content":""}}]}`), "", first, llm.KindTimeout},
		{"openai, after a thought", "openai", eventHead + thought("hm"), "", idle, llm.KindStalled},
		{"openai, after text", "openai", eventHead + delta("He"), "He", idle, llm.KindStalled},
		{"openai, within a line", "openai", eventHead + delta("He") + "data: {", "He", idle, llm.KindStalled},
		{"openai, within a whole answer", "openai", eventHead + `{"choices":[`, "", idle, llm.KindStalled},
		{"ollama, before the head", "ollama", "", "", first, llm.KindTimeout},
		{"ollama, after the head", "ollama", lineHead, "", first, llm.KindTimeout},
		{"ollama, after text", "ollama", lineHead + line("He"), "He", idle, llm.KindStalled},
		{"ollama, within a line", "ollama", lineHead + line("He") + `{"message":`, "He", idle, llm.KindStalled},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := listen(t, untilGone(test.raw))
			test.cfg.Provider, test.cfg.BaseURL, test.cfg.OllamaHost = test.provider, u.url, u.url
			text, _, err := ask(bounded(t), newClient(t, test.cfg))
			checkKind(t, err, test.want)
			if text != test.text {
				t.Errorf("the client got %q, want %q", text, test.text)
			}
		})
	}
}

// TestStalledTransport has a transport that reports the end of its context as just that.
func TestStalledTransport(t *testing.T) {
	t.Parallel()
	c := newClient(t, llm.Config{Provider: "openai", BaseURL: "http://upstream.test", IdleTimeout: 20 * time.Millisecond, HTTPClient: &http.Client{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return stream(io.MultiReader(strings.NewReader(delta("He")), reader(func([]byte) (int, error) {
				<-r.Context().Done()
				return 0, r.Context().Err()
			}))), nil
		}),
	}})
	_, _, err := ask(bounded(t), c)
	checkKind(t, err, llm.KindStalled)
}

// reader is a function that reads.
type reader func([]byte) (int, error)

func (f reader) Read(p []byte) (int, error) { return f(p) }

// stream is an event stream without a socket.
func stream(body io.Reader) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(body)}
}

// TestDrip has an upstream that is never silent for long and never ends. The total time-out cuts it.
func TestDrip(t *testing.T) {
	t.Parallel()
	drip := func(head, piece string) script {
		return func(conn net.Conn) {
			_, err := io.WriteString(conn, head)
			for ; err == nil; _, err = io.WriteString(conn, piece) {
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
			c := newClient(t, llm.Config{Provider: test.provider, BaseURL: u.url, OllamaHost: u.url, Timeout: 200 * time.Millisecond})
			_, _, err := ask(bounded(t), c)
			checkKind(t, err, llm.KindTimeout)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v is not context.DeadlineExceeded", err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	// Nobody is there. A port that was free a moment ago could be another test's by now; this one is
	// never given out.
	const address = "http://127.0.0.1:1"
	for _, provider := range []string{"openai", "ollama"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			_, _, err := ask(bounded(t), newClient(t, llm.Config{Provider: provider, BaseURL: address, OllamaHost: address}))
			checkKind(t, err, llm.KindUnreachable)
		})
	}
}

// TestRunaway has an upstream that streams for ever.
func TestRunaway(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		provider, head string
		piece          func(string) string
	}{
		{"openai", eventHead, delta},
		{"ollama", lineHead, line},
	} {
		t.Run(test.provider, func(t *testing.T) {
			t.Parallel()
			u := listen(t, func(conn net.Conn) {
				_, err := io.WriteString(conn, test.head)
				for i := 0; err == nil; i++ {
					_, err = io.WriteString(conn, test.piece(strconv.Itoa(i)))
				}
			})
			c := newClient(t, llm.Config{Provider: test.provider, BaseURL: u.url, OllamaHost: u.url, MaxBytes: 64 << 10})
			text, _, err := ask(bounded(t), c)
			checkKind(t, err, llm.KindBadResponse)
			if len(text) == 0 || len(text) > 64<<10 {
				t.Errorf("the client got %d bytes", len(text))
			}
		})
	}
}

// TestSilence has an upstream that takes the request and never answers. The total time-out ends it.
func TestSilence(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "ollama"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			u := listen(t, untilGone(""))
			c := newClient(t, llm.Config{Provider: provider, BaseURL: u.url, OllamaHost: u.url, Timeout: 50 * time.Millisecond})
			_, _, err := ask(bounded(t), c)
			checkKind(t, err, llm.KindTimeout)
		})
	}
}
