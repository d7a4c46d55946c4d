package upstream_test

import (
	"slices"
	"strings"
	"testing"

	"example.com/pagila-api/llm/upstream"
)

// labelled is the head of a good response with a Content-Type, or without one.
func labelled(contentType string) string {
	if contentType != "" {
		contentType = "Content-Type: " + contentType + "\r\n"
	}
	return "HTTP/1.1 200 OK\r\nConnection: close\r\n" + contentType + "\r\n"
}

// part is an event with a delta in any form.
func part(delta string) string {
	return event(`{"model":"m-1","choices":[{"index":0,"delta":` + delta + `}]}`)
}

// lastPart is the event that ends an answer, with further members next to the choices.
func lastPart(finish, more string) string {
	return event(`{"choices":[{"index":0,"delta":{},"finish_reason":` + finish + `}]` + more + `}`)
}

// partLine is a line with a delta in any form, for a response without events.
func partLine(delta string) string {
	return `{"model":"m-1","choices":[{"index":0,"delta":` + delta + `}]}` + "\n"
}

// The ends of good answers.
const (
	goodEnd     = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" + done
	goodLineEnd = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n"
)

// oddity is a response with an irrelevant oddity, and the text that the caller gets.
type oddity struct{ name, raw, want string }

// oddStreams are OpenAI's streams.
var oddStreams = []oddity{
	// Documents with neither text nor an error.
	{"ping, Anthropic", eventHead + event(`{"type":"ping"}`) + delta("He") + event(`{"type":"ping"}`) + goodEnd, "He"},
	{"named ping", eventHead + "event: ping\ndata: {}\n\n" + delta("He") + goodEnd, "He"},
	{"named ping without JSON", eventHead + "event: ping\ndata: still here\n\n" + delta("He") + goodEnd, "He"},
	{"unknown event", eventHead + "event: usage.tick\ndata: [1,2]\n\n" + delta("He") + goodEnd, "He"},
	{"null", eventHead + event(`null`) + delta("He") + event(`null`) + goodEnd, "He"},
	{"empty list", eventHead + event(`[]`) + delta("He") + goodEnd, "He"},
	{"empty object", eventHead + event(`{}`) + delta("He") + event(`{}`) + goodEnd, "He"},
	{"number, string, true", eventHead + event(`1`) + event(`"x"`) + event(`true`) + delta("He") + goodEnd, "He"},
	{"no choices", eventHead + event(`{"id":"x","object":"chat.completion.chunk"}`) + delta("He") + goodEnd, "He"},
	{"null choices", eventHead + event(`{"choices":null}`) + delta("He") + goodEnd, "He"},
	{"filter results, Azure", eventHead + event(`{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}`) + delta("He") + goodEnd, "He"},
	{"null choice and null delta", eventHead + event(`{"choices":[null]}`) + event(`{"choices":[{"delta":null}]}`) + delta("He") + goodEnd, "He"},
	{"delta is an empty list", eventHead + part(`[]`) + delta("He") + part(`[]`) + goodEnd, "He"},
	{"comments and retry", eventHead + ": OPENROUTER PROCESSING\n\nretry: 3000\n\nid: 1\n" + delta("He") + ": wait\n" + goodEnd, "He"},
	{"null error", eventHead + event(`{"error":null,"choices":[{"delta":{"content":"He"}}]}`) + goodEnd, "He"},
	{"empty error", eventHead + event(`{"error":"","choices":[{"delta":{"content":"He"}}]}`) + goodEnd, "He"},
	{"error is an empty object next to the text", eventHead + event(`{"error":{},"choices":[{"delta":{"content":"He"}}]}`) + goodEnd, "He"},
	{"the word error in the text", eventHead + delta(`the "error" of his life`) + goodEnd, `the "error" of his life`},
	{"whitespace before the first event", eventHead + "\n \n\n" + delta("He") + goodEnd, "He"},

	// Usage, model and index.
	{"usage of floats", eventHead + delta("He") + lastPart(`"stop"`, `,"usage":{"prompt_tokens":11.0,"completion_tokens":3e0}`) + done, "He"},
	{"usage of strings", eventHead + delta("He") + lastPart(`"stop"`, `,"usage":{"prompt_tokens":"11","completion_tokens":"many"}`) + done, "He"},
	{"negative usage", eventHead + delta("He") + lastPart(`"stop"`, `,"usage":{"prompt_tokens":-1,"completion_tokens":-1}`) + done, "He"},
	{"huge usage", eventHead + delta("He") + lastPart(`"stop"`, `,"usage":{"prompt_tokens":1e999,"completion_tokens":99999999999999999999}`) + done, "He"},
	{"usage of nulls and lists", eventHead + delta("He") + lastPart(`"stop"`, `,"usage":{"prompt_tokens":null,"completion_tokens":[3],"completion_tokens_details":7}`) + done, "He"},
	{"usage is a list", eventHead + delta("He") + lastPart(`"stop"`, `,"usage":[]`) + done, "He"},
	{"usage is a text", eventHead + delta("He") + lastPart(`"stop"`, `,"usage":"11 + 3"`) + done, "He"},
	{"usage of another shape", eventHead + delta("He") + lastPart(`"stop"`, `,"usage":{"input":{"tokens":11}}`) + done, "He"},
	{"model is null, then a number", eventHead + event(`{"model":null,"choices":[{"delta":{"content":"H"}}]}`) + event(`{"model":7,"choices":[{"delta":{"content":"e"}}]}`) + goodEnd, "He"},
	{"index missing, null, a string, a float", eventHead + event(`{"choices":[{"delta":{"content":"H"}}]}`) +
		event(`{"choices":[{"index":null,"delta":{"content":"e"}}]}`) + event(`{"choices":[{"index":"0","delta":{"content":"l"}}]}`) + event(`{"choices":[{"index":0.0,"delta":{"content":"p"}}]}`) + goodEnd, "Help"},
	{"index out of range", eventHead + delta("He") + event(`{"choices":[{"index":1e999,"delta":{"content":""}}]}`) + goodEnd, "He"},

	// Content in other forms.
	{"content is a list of parts", eventHead + part(`{"content":[{"type":"text","text":"H"},{"type":"output_text","text":"e"}]}`) + goodEnd, "He"},
	{"thinking part, Mistral", eventHead + part(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}`) + part(`{"content":[{"type":"text","text":"He"}]}`) + goodEnd, "He"},
	{"reasoning and unknown parts", eventHead + part(`{"content":[{"type":"reasoning","text":"hm"},{"type":"citation","text":"[1]"},null,7,{"type":"text","text":"He"}]}`) + goodEnd, "He"},
	{"parts without a type, and strings", eventHead + part(`{"content":[{"text":"H"},"e"]}`) + goodEnd, "He"},
	{"one part without a list", eventHead + part(`{"content":{"type":"text","text":"He"}}`) + goodEnd, "He"},
	{"content is null, false, empty", eventHead + part(`{"content":null}`) + part(`{"content":[]}`) + part(`{"content":""}`) + delta("He") + goodEnd, "He"},
	{"whole message in an event", eventHead + event(`{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}`) + done, "Hello"},
	{"the whole message again at the end", eventHead + delta("Hel") + delta("lo") + event(`{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}`) + done, "Hello"},
	{"null tool calls", eventHead + part(`{"content":"He","tool_calls":null,"function_call":null,"refusal":null,"audio":null}`) + goodEnd, "He"},

	// Finish reasons.
	{"eos_token, TGI", eventHead + delta("He") + finish("eos_token") + done, "He"},
	{"STOP, Google", eventHead + delta("He") + finish("STOP") + done, "He"},
	{"end_turn, Anthropic", eventHead + delta("He") + finish("end_turn") + done, "He"},
	{"stop_sequence", eventHead + delta("He") + finish("stop_sequence") + done, "He"},
	{"FinishReason.STOP", eventHead + delta("He") + finish("FinishReason.STOP") + done, "He"},
	{"an unknown reason", eventHead + delta("He") + finish("bored") + done, "He"},
	{"null as a text in each event, DashScope", eventHead + event(`{"choices":[{"delta":{"content":"He"},"finish_reason":"null"}]}`) + finish("stop") + lastPart(`"null"`, "") + done, "He"},
	{"a reason in the event of the text", eventHead + event(`{"choices":[{"delta":{"content":"He"},"finish_reason":"stop"}]}`) + done, "He"},

	// Labels and framing.
	{"text/plain", labelled("text/plain") + delta("He") + goodEnd, "He"},
	{"octets", labelled("application/octet-stream") + delta("He") + goodEnd, "He"},
	{"no label", labelled("") + delta("He") + goodEnd, "He"},
	{"malformed label", labelled(";;") + delta("He") + goodEnd, "He"},
	{"label in capitals", labelled("TEXT/EVENT-STREAM; Charset=UTF-8") + delta("He") + goodEnd, "He"},
	{"labelled as HTML", labelled("text/html") + delta("He") + goodEnd, "He"},
	{"lines of JSON", labelled("application/stream+json") + `{"choices":[{"delta":{"content":"H"}}]}` + "\n" + `{"choices":[{"delta":{"content":"e"}}]}` + "\n" + `{"choices":[{"message":{},"finish_reason":"stop"}]}` + "\n", "He"},
	{"lines of JSON, ended by their reason alone", labelled("application/stream+json") + `{"choices":[{"delta":{"content":"He"}}]}` + "\n" + `{"choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n" + `{"choices":[],"usage":{"prompt_tokens":1}}` + "\n", "He"},
	{"lines of JSON, ended by the mark of events", labelled("") + `{"choices":[{"delta":{"content":"He"},"finish_reason":"stop"}]}` + "\n[DONE]\n", "He"},
	{"one event without the mark of the end", eventHead + event(completion("Hello", "stop")), "Hello"},
	{"one JSON document", labelled("application/json") + completion("Hello", "stop"), "Hello"},
	{"one JSON document as events", eventHead + completion("Hello", "stop"), "Hello"},
	{"one JSON document over lines", labelled("") + "\ufeff\n  " + strings.ReplaceAll(completion("Hello", "stop"), ",", ",\n  ") + "\n", "Hello"},
	{"one JSON document after whitespace that keeps the connection alive", labelled("application/json") + strings.Repeat("\n", 5000) + completion("Hello", "stop"), "Hello"},

	// Thoughts.
	{"think tag", eventHead + delta("<think>hm</think>\n\nHello") + goodEnd, "Hello"},
	{"think tag, character by character", eventHead + characters("\n<think>\nhm < 1 </thin>\n</think>\n\nHello <b>") + goodEnd, "Hello <b>"},
	{"thinking tag", eventHead + delta("<thinking>hm") + delta("</thinking>Hello") + goodEnd, "Hello"},
	{"reasoning tag in capitals", eventHead + delta("<REASONING>hm</REASONING>Hello") + goodEnd, "Hello"},
	{"two thoughts", eventHead + delta("<think>a</think><think>b</think>Hello") + goodEnd, "Hello"},
	{"empty thought, Qwen", eventHead + delta("<think>\n\n</think>\n\n") + delta("Hello") + goodEnd, "Hello"},
	{"THINK in brackets, Magistral", eventHead + characters("[THINK]hm[/THINK]Hello") + goodEnd, "Hello"},
	{"channels, gpt-oss", eventHead + characters("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Hello") + goodEnd, "Hello"},
	{"signs, Kimi", eventHead + characters("◁think▷hm◁/think▷Hello") + goodEnd, "Hello"},
	{"closing tag alone, in one chunk", eventHead + delta("hm</think>\nHello") + goodEnd, "Hello"},
	{"a tag in the middle is text", eventHead + characters("Say <think> and </think> aloud") + goodEnd, "Say <think> and </think> aloud"},
	{"a tag after thoughts is text", eventHead + characters("<think>hm</think>Use <think> and </think>") + goodEnd, "Use <think> and </think>"},
	{"the beginning of a tag is text", eventHead + delta("<thi") + delta("s> is text <") + goodEnd, "<this> is text <"},
	{"reasoning fields", eventHead + thought("hm") + part(`{"content":null,"reasoning":"hm"}`) + part(`{"content":"","thinking":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm"}]}`) + delta("Hello") + goodEnd, "Hello"},

	// Characters.
	{"control characters", eventHead + delta("a\x00b\x07c\x1b[31md\x7fe\u0085f\u009bg\th\ni") + goodEnd, "abc[31mdefg\th\ni"},
	{"line breaks", eventHead + delta("a\r\nb\rc\r") + delta("\nd\r") + delta("e") + goodEnd, "a\nb\nc\nd\ne"},
	{"writing from right to left", eventHead + delta("a\u202eb\u2066c\u2069d") + goodEnd, "abcd"},
	{"a character over two events", eventHead + part("{\"content\":\"caf\xc3\"}") + part("{\"content\":\"\xa9 \xf0\x9f\"}") + part("{\"content\":\"\x8e\xac\"}") + goodEnd, "café 🎬"},
	{"a surrogate pair over two events", eventHead + part(`{"content":"a\ud83c"}`) + part(`{"content":"\udfac b"}`) + goodEnd, "a🎬 b"},
	{"invalid UTF-8", eventHead + part("{\"content\":\"a\xffb\"}") + part("{\"content\":\"\xe2\x82\"}") + part(`{"content":"x\ud83cy\udfacz"}`) + goodEnd, "a\ufffdb\ufffdx\ufffdy\ufffdz"},
	{"escapes", eventHead + part(`{"content":"\"\\\/\b\f\n\t\u0041\uD83C\uDFAC"}`) + goodEnd, "\"\\/\n\tA🎬"},
}

// characters is a text with one event per character.
func characters(text string) string {
	var events strings.Builder
	for _, r := range text {
		events.WriteString(delta(string(r)))
	}
	return events.String()
}

// oddLines are streams without events.
var oddLines = []oddity{
	{"text/plain", labelled("text/plain; charset=utf-8") + line("He") + goodLineEnd, "He"},
	{"application/json", labelled("application/json") + line("He") + goodLineEnd, "He"},
	{"no label", labelled("") + line("He") + goodLineEnd, "He"},
	{"label in capitals", labelled("APPLICATION/X-NDJSON") + line("He") + goodLineEnd, "He"},
	{"as events", labelled("text/event-stream") + "data: " + line("He") + "\ndata: " + goodLineEnd + "\n" + done, "He"},
	{"one JSON document", labelled("application/json") + completion("He", "stop"), "He"},
	{"no line breaks between", lineHead + strings.TrimSpace(line("H")) + strings.TrimSpace(line("e")) + goodLineEnd, "He"},
	{"null, empty and other documents", lineHead + "null\n" + line("He") + "null\n[]\n{}\n" + `{"status":"loading"}` + "\n" + goodLineEnd, "He"},
	{"empty lines", lineHead + "\n\n" + line("He") + "\r\n\n" + goodLineEnd, "He"},
	{"message is null or empty", lineHead + partLine(`null`) + partLine(`{}`) + partLine(`[]`) + line("He") + goodLineEnd, "He"},
	{"model is a number", lineHead + `{"model":7,"choices":[{"delta":{"content":"He"}}]}` + "\n" + goodLineEnd, "He"},
	{"content is null, then a list", lineHead + partLine(`{"content":null}`) + partLine(`{"content":[{"type":"text","text":"He"}]}`) + goodLineEnd, "He"},
	{"usage of odd types", lineHead + line("He") + `{"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":"11","completion_tokens":-1.5}}` + "\n", "He"},
	{"huge usage", lineHead + line("He") + `{"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":1e400,"completion_tokens":null}}` + "\n", "He"},
	{"a reason in capitals", lineHead + line("He") + lastLine("STOP"), "He"},
	{"an unknown reason", lineHead + line("He") + lastLine("bored"), "He"},
	{"reason is null, then one", lineHead + line("He") + `{"choices":[{"finish_reason":null}]}` + "\n" + goodLineEnd, "He"},
	{"thinking field", lineHead + partLine(`{"content":"","thinking":"hm"}`) + line("He") + goodLineEnd, "He"},
	{"think tag over lines", lineHead + line("<th") + line("ink>hm</thi") + line("nk>") + line("\n\nHe") + goodLineEnd, "He"},
	{"closing tag alone, in one chunk", lineHead + line("hm</think>He") + goodLineEnd, "He"},
	{"control characters", lineHead + line("H\x1b]0;x\x07\u009be\r") + line("\n!") + goodLineEnd, "H]0;xe\n!"},
	{"a character over two lines", lineHead + partLine("{\"content\":\"H\xc3\"}") + partLine("{\"content\":\"\xa9\"}") + goodLineEnd, "Hé"},
}

func TestOddStreams(t *testing.T) {
	t.Parallel()
	checkOddities(t, oddStreams, openAI)
}

func TestOddLines(t *testing.T) {
	t.Parallel()
	checkOddities(t, oddLines, openAI)
	checkOddities(t, oddStreams, ollama)
}

func checkOddities(t *testing.T, oddities []oddity, client func(*testing.T, *server) *upstream.Model) {
	t.Helper()
	for _, test := range oddities {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := listen(t, raw(test.raw))
			text, result, err := ask(bounded(t), client(t, u))
			if err != nil {
				t.Fatal(err)
			}
			if text != test.want {
				t.Errorf("the client got %q, want %q", text, test.want)
			}
			checkAnswer(t, result)
			if hits := len(u.Requests()); hits != 1 {
				t.Errorf("%d requests, want 1", hits)
			}
		})
	}
}

// checkAnswer fails the test unless the facts about a whole answer follow the contract.
func checkAnswer(t *testing.T, r upstream.Answer) {
	t.Helper()
	const most = 1<<53 - 1
	if r.Usage.Prompt < 0 || r.Usage.Prompt > most || r.Usage.Completion < 0 || r.Usage.Completion > most {
		t.Errorf("the usage is %+v", r.Usage)
	}
	if r.FinishReason != "stop" || r.Model == "" {
		t.Errorf("the result is %+v", r)
	}
}

// whole is a completion with a message, a finish reason and further members in any form.
func whole(message, finish, more string) string {
	return `{"choices":[{"message":` + message + `,"finish_reason":` + finish + `}]` + more + `}`
}

// said is a message of a completion.
func said(text string) string { return `{"content":` + quoted(text) + `}` }

// oddCompletions are answers of OpenAI that are not streamed. Each contains the good reply.
var oddCompletions = []oddity{
	{"no label", labelled("") + completion(goodReply, "stop"), goodReply},
	{"text/plain", labelled("text/plain") + completion(goodReply, "stop"), goodReply},
	{"whitespace that keeps the connection alive", labelled("application/json") + strings.Repeat(" \n", 1000) + completion(goodReply, "stop"), goodReply},
	{"a stream that was not asked for", eventHead + delta(goodReply[:9]) + delta(goodReply[9:]) + goodEnd, goodReply},
	{"bytes after it", labelled("application/json") + completion(goodReply, "stop") + "\n\ndata: [DONE]", goodReply},
	{"odd model, usage and index", labelled("application/json") + `{"model":null,"choices":[{"index":"0","message":` + said(goodReply) + `,"finish_reason":"eos_token"}],"usage":{"prompt_tokens":1.5,"completion_tokens":-7}}`, goodReply},
	{"usage is null", labelled("application/json") + whole(said(goodReply), `"stop"`, `,"usage":null,"error":null`), goodReply},
	{"parts", labelled("application/json") + whole(`{"content":[{"type":"thinking","thinking":"{}"},{"type":"text","text":`+quoted(goodReply)+`}]}`, `"stop"`, ""), goodReply},
	{"STOP", labelled("application/json") + whole(said(goodReply), `"STOP"`, ""), goodReply},
	{"COMPLETE", labelled("application/json") + whole(said(goodReply), `"COMPLETE"`, ""), goodReply},
	{"think tag", labelled("application/json") + whole(said("<think>{}</think>\n"+goodReply), `"stop"`, ""), goodReply},
	{"closing tag alone", labelled("application/json") + whole(said("So {} it is.\n</think>\n\n"+goodReply), `"stop"`, ""), goodReply},
	{"closing tag alone, in an unasked stream", eventHead + delta("So {}") + delta(" it is.</thi") + delta("nk>"+goodReply) + goodEnd, goodReply},
	{"reasoning field", labelled("application/json") + whole(`{"reasoning_content":"hm","content":`+quoted(goodReply)+`}`, `"stop"`, ""), goodReply},
	{"control characters", labelled("application/json") + whole(said("\x1b"+goodReply+"\x00\r\n"), `"stop"`, ""), goodReply},
}

// oddLineReplies are the same without events.
var oddLineReplies = []oddity{
	{"one document", labelled("text/plain") + whole(said(goodReply), `"stop"`, ""), goodReply},
	{"thinking field", lineHead + partLine(`{"thinking":"hm"}`) + line(goodReply) + goodLineEnd, goodReply},
	{"closing tag alone", lineHead + line("hm, {}") + line("</think>") + line(goodReply) + goodLineEnd, goodReply},
	{"unknown reason", lineHead + line(goodReply) + lastLine("done"), goodReply},
}

func TestOddReplies(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "ollama"} {
		for _, test := range slices.Concat(oddCompletions, oddLineReplies) {
			t.Run(provider+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				u := listen(t, raw(test.raw))
				c := newModel(t, upstream.Config{Provider: provider, BaseURL: u.URL, OllamaHost: u.URL})
				result, err := reply(bounded(t), c)
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.TrimSpace(result.Text); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
				checkAnswer(t, result)
				if hits := len(u.Requests()); hits != 1 {
					t.Errorf("%d requests, want 1", hits)
				}
			})
		}
	}
}

// A response that is complete but contains no answer is an error.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"thoughts without an end":      "<think>hm, what now?",
		"thoughts alone":               "<think>hm</think>\n\n",
		"a closing tag and no answer":  "hm</think>",
		"control characters alone":     "\x00\x1b\u009b\u200b\r\n",
		"invisible ones after a think": "<think>hm</think>\u202e\x07",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for provider, body := range map[string]string{
				"openai": eventHead + delta(text) + goodEnd,
				"ollama": lineHead + line(text) + goodLineEnd,
			} {
				u := listen(t, raw(body))
				got, _, err := ask(bounded(t), newModel(t, upstream.Config{Provider: provider, BaseURL: u.URL, OllamaHost: u.URL}))
				checkKind(t, err, upstream.KindEmpty)
				if !upstream.Blank(got) {
					t.Errorf("%s: the client got %q", provider, got)
				}
			}
		})
	}
}

// A finish reason that says that the answer is not whole makes it an error.
func TestFinishReasons(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]upstream.Kind{
		"MAX_TOKENS": upstream.KindLength, "max_tokens": upstream.KindLength, "model_length": upstream.KindLength, "max-new-tokens": upstream.KindLength,
		"maxOutputTokens": upstream.KindLength, "model_context_window_exceeded": upstream.KindLength, "incomplete": upstream.KindLength,
		"SAFETY": upstream.KindFiltered, "RECITATION": upstream.KindFiltered, "PROHIBITED_CONTENT": upstream.KindFiltered, "refusal": upstream.KindFiltered,
		"guardrail_intervened": upstream.KindFiltered, "contentFilter": upstream.KindFiltered,
		"insufficient_system_resource": upstream.KindUnavailable, "abort": upstream.KindUnavailable, "ERROR": upstream.KindUnavailable,
		"tool_use": upstream.KindBadResponse, "pause_turn": upstream.KindBadResponse,
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			text, result, err := ask(bounded(t), openAI(t, listen(t, raw(eventHead+delta("He")+finish(reason)+done))))
			checkKind(t, err, want)
			if text != "He" || want == upstream.KindLength && result.FinishReason != "length" {
				t.Errorf("the client got %q, %+v", text, result)
			}
			_, _, err = ask(bounded(t), ollama(t, listen(t, raw(lineHead+line("He")+lastLine(reason)))))
			checkKind(t, err, want)
		})
	}
}

// The usage is read in all the forms that upstreams write it in, and an impossible one counts as missing.
func TestOddUsage(t *testing.T) {
	t.Parallel()
	for usage, want := range map[string]upstream.Usage{
		`{"prompt_tokens":11.0,"completion_tokens":3.9}`:                                                    {Prompt: 11, Completion: 3},
		`{"prompt_tokens":"11","completion_tokens":"3"}`:                                                    {Prompt: 11, Completion: 3},
		`{"prompt_tokens":-1,"completion_tokens":3}`:                                                        {Completion: 3},
		`{"prompt_tokens":1e300,"completion_tokens":1e999}`:                                                 {},
		`{"prompt_tokens":9007199254740991,"completion_tokens":9007199254740992}`:                           {Prompt: 9007199254740991},
		`{"input_tokens":11,"output_tokens":3}`:                                                             {Prompt: 11, Completion: 3},
		`{"prompt_tokens":11,"completion_tokens":300,"completion_tokens_details":{"reasoning_tokens":290}}`: {Prompt: 11, Completion: 300},
		`{"prompt_tokens":{"text":11},"completion_tokens":true}`:                                            {},
	} {
		t.Run(usage, func(t *testing.T) {
			t.Parallel()
			u := listen(t, raw(eventHead+delta("He")+finish("stop")+event(`{"choices":[],"usage":`+usage+`}`)+done))
			_, result, err := ask(bounded(t), openAI(t, u))
			if err != nil || result.Usage != want {
				t.Errorf("got %+v, %v, want %+v", result.Usage, err, want)
			}
		})
	}
}
