package upstream_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/llm/upstream"
)

// The tools of the tests.
var tools = []upstream.Tool{
	{Name: "listFilms", Description: "Lists films.", Parameters: json.RawMessage(`{"type":"object","properties":{"q":{"type":"string"}}}`)},
	{Name: "getFilm", Description: "Gets a film.", Parameters: json.RawMessage(`{"type":"object","properties":{"film_id":{"type":"integer"}}}`)},
	{Name: "list", Parameters: json.RawMessage(`{"type":"object"}`)},
}

// askWithTools asks a question with tools and returns the text that was streamed.
func askWithTools(ctx context.Context, m *upstream.Model) (string, upstream.Answer, error) {
	var text strings.Builder
	r := question("Which film is it?")
	r.Tools = tools
	r.Emit = func(chunk string) error {
		text.WriteString(chunk)
		return nil
	}
	answer, err := m.Generate(ctx, r)
	return text.String(), answer, err
}

// callsPart is an event with parts of tool calls.
func callsPart(parts ...string) string {
	return part(`{"tool_calls":[` + strings.Join(parts, ",") + `]}`)
}

// wholeCall is a call in one part, with arguments in any form.
func wholeCall(index int, id, name, arguments string) string {
	return fmt.Sprintf(`{"index":%d,"id":%q,"type":"function","function":{"name":%q,"arguments":%s}}`, index, id, name, arguments)
}

// moreArguments is a fragment of the arguments of a call.
func moreArguments(index int, fragment string) string {
	return fmt.Sprintf(`{"index":%d,"function":{"arguments":%s}}`, index, quoted(fragment))
}

// byteByByte is a text as fragments of arguments of one byte each, which may be a part of a character.
func byteByByte(text string) string {
	var events strings.Builder
	for i := range len(text) {
		fragment := text[i : i+1]
		if fragment == `"` || fragment == `\` {
			fragment = `\` + fragment
		}
		events.WriteString(callsPart(`{"index":0,"function":{"arguments":"` + fragment + `"}}`))
	}
	return events.String()
}

// The end of an answer with calls.
const callsEnd = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}` + "\n\n" + done

// Arguments in JSON, as models write them into a string.
const (
	galaxy      = `{"q":"galaxy"}`
	galaxyText  = `"{\"q\":\"galaxy\"}"`
	seven       = `{"film_id":7}`
	sevenText   = `"{\"film_id\":7}"`
	callGalaxy  = "listFilms" + galaxy
	callSeven   = "getFilm" + seven
	bothCalls   = callGalaxy + " " + callSeven
	partGalaxy  = `{"index":0,"id":"a","type":"function","function":{"name":"listFilms","arguments":` + galaxyText + `}}`
	partSeven   = `{"index":1,"id":"b","type":"function","function":{"name":"getFilm","arguments":` + sevenText + `}}`
	headGalaxy  = `{"index":0,"id":"a","type":"function","function":{"name":"listFilms","arguments":""}}`
	headSeven   = `{"index":1,"id":"b","type":"function","function":{"name":"getFilm","arguments":""}}`
	bareGalaxy  = `{"function":{"name":"listFilms","arguments":` + galaxyText + `}}`
	bareSeven   = `{"function":{"name":"getFilm","arguments":` + sevenText + `}}`
	toolMessage = `{"role":"assistant","content":null,"tool_calls":[` + partGalaxy + `,` + partSeven + `]}`
)

// oddCalls are streams with tool calls. Each wants names with arguments, in order.
var oddCalls = []oddity{
	// Fragments.
	{"in one part", callsPart(partGalaxy) + callsEnd, callGalaxy},
	{"in fragments", callsPart(headGalaxy) + callsPart(moreArguments(0, `{"q":`)) + callsPart(moreArguments(0, `"galaxy"}`)) + callsEnd, callGalaxy},
	{"byte by byte, within a character", callsPart(headGalaxy) + byteByByte(`{"q":"café 🎬 \"x\" \\ \u00e9"}`) + callsEnd, `listFilms{"q":"café 🎬 \"x\" \\ \u00e9"}`},
	{"a surrogate pair over two parts", callsPart(headGalaxy, `{"index":0,"function":{"arguments":"{\"q\":\"\ud83c"}}`) + callsPart(`{"index":0,"function":{"arguments":"\udfac\"}"}}`) + callsEnd, `listFilms{"q":"🎬"}`},
	{"name in fragments", callsPart(`{"index":0,"id":"a","function":{"name":"list"}}`) + callsPart(`{"index":0,"function":{"name":"Films"}}`) + callsPart(moreArguments(0, galaxy)) + callsEnd, callGalaxy},
	{"name in fragments, no index", callsPart(`{"id":"a","function":{"name":"list"}}`) + callsPart(`{"function":{"name":"Films","arguments":`+galaxyText+`}}`) + callsEnd, callGalaxy},
	{"name repeated without its namespace", callsPart(`{"index":0,"id":"a","function":{"name":"functions.listFilms","arguments":"{\"q\":"}}`) + callsPart(`{"index":0,"function":{"name":"listFilms","arguments":"\"galaxy\"}"}}`) + callsEnd, callGalaxy},
	{"name repeated in each part", callsPart(`{"index":0,"id":"a","function":{"name":"listFilms","arguments":"{\"q\":"}}`) + callsPart(`{"index":0,"id":"a","function":{"name":"listFilms","arguments":"\"galaxy\"}"}}`) + callsEnd, callGalaxy},
	{"type repeated in each part", callsPart(headGalaxy) + callsPart(`{"index":0,"type":"function","function":{"name":null,"arguments":"{\"q\":"}}`) + callsPart(`{"index":0,"type":"function","function":{"name":"","arguments":"\"galaxy\"}"}}`) + callsEnd, callGalaxy},
	{"no type", callsPart(`{"index":0,"id":"a","function":{"name":"listFilms","arguments":"{\"q\":\"gal"}}`) + callsPart(moreArguments(0, `axy"}`)) + callsEnd, callGalaxy},
	{"arguments before the name", callsPart(moreArguments(0, galaxy)) + callsPart(`{"index":0,"id":"a","function":{"name":"listFilms"}}`) + callsEnd, callGalaxy},
	{"empty parts after the call", callsPart(partGalaxy) + callsPart(moreArguments(0, "")) + callsPart(`{"index":0}`) + callsPart() + callsEnd, callGalaxy},
	{"end of the arguments repeated", callsPart(partGalaxy) + callsPart(moreArguments(0, `"}`)) + callsEnd, callGalaxy},
	{"all arguments so far in each part", callsPart(headGalaxy) + callsPart(moreArguments(0, `{`)) + callsPart(moreArguments(0, `{"q":`)) + callsPart(moreArguments(0, galaxy)) + callsPart(moreArguments(0, galaxy)) + callsEnd, callGalaxy},
	{"the whole call repeated", callsPart(partGalaxy) + callsPart(partGalaxy) + callsEnd, callGalaxy},

	// Several calls.
	{"two in one part", callsPart(partGalaxy, partSeven) + callsEnd, bothCalls},
	{"two in two parts", callsPart(partGalaxy) + callsPart(partSeven) + callsEnd, bothCalls},
	{"interleaved", callsPart(headGalaxy) + callsPart(headSeven) + callsPart(moreArguments(0, `{"q":`)) + callsPart(moreArguments(1, `{"film_id":`)) +
		callsPart(moreArguments(0, `"galaxy"}`), moreArguments(1, `7}`)) + callsEnd, bothCalls},
	{"interleaved, by ID alone", callsPart(`{"id":"a","function":{"name":"listFilms"}}`, `{"id":"b","function":{"name":"getFilm"}}`) +
		callsPart(`{"id":"a","function":{"arguments":"{\"q\":"}}`) + callsPart(`{"id":"b","function":{"arguments":"{\"film_id\":"}}`) +
		callsPart(`{"id":"a","function":{"arguments":"\"galaxy\"}"}}`, `{"id":"b","function":{"arguments":"7}"}}`) + callsEnd, bothCalls},
	{"index missing", callsPart(`{"id":"a","function":{"name":"listFilms","arguments":"{\"q\":"}}`) + callsPart(`{"function":{"arguments":"\"galaxy\"}"}}`) +
		callsPart(`{"id":"b","function":{"name":"getFilm","arguments":""}}`) + callsPart(`{"function":{"arguments":"{\"film_id\":7}"}}`) + callsEnd, bothCalls},
	{"index and ID missing", callsPart(bareGalaxy) + callsPart(bareSeven) + callsEnd, bothCalls},
	{"index and ID missing, names first", callsPart(`{"function":{"name":"listFilms"}}`) + callsPart(`{"function":{"name":"getFilm"}}`) + callsPart(`{"function":{"arguments":"{\"film_id\":7}"}}`) + callsEnd, "listFilms{} " + callSeven},
	{"index null, a string, a float", callsPart(strings.Replace(partGalaxy, `"index":0`, `"index":null`, 1)) + callsPart(strings.Replace(headSeven, `"index":1`, `"index":"1"`, 1)) + callsPart(strings.Replace(moreArguments(1, seven), `"index":1`, `"index":1.0`, 1)) + callsEnd, bothCalls},
	{"index from 1", callsPart(wholeCall(1, "a", "listFilms", galaxyText)) + callsPart(wholeCall(2, "b", "getFilm", sevenText)) + callsEnd, bothCalls},
	{"the same index", callsPart(partGalaxy) + callsPart(wholeCall(0, "b", "getFilm", sevenText)) + callsEnd, bothCalls},
	{"the same index, no ID", callsPart(wholeCall(0, "", "listFilms", galaxyText)) + callsPart(wholeCall(0, "", "getFilm", sevenText)) + callsEnd, bothCalls},
	{"the same index, one tool", callsPart(wholeCall(0, "a", "listFilms", galaxyText)) + callsPart(wholeCall(0, "b", "listFilms", `"{}"`)) + callsEnd, callGalaxy + " listFilms{}"},
	{"the same index and tool, arguments later", callsPart(wholeCall(0, "a", "listFilms", `""`)) + callsPart(wholeCall(0, "b", "listFilms", `""`)) + callsPart(moreArguments(0, galaxy)) + callsEnd, "listFilms{} " + callGalaxy},
	{"a part without content", callsPart(partGalaxy, `{"index":5,"type":"function"}`) + callsEnd, callGalaxy},
	{"an ID of other characters", callsPart(wholeCall(0, "a b", "listFilms", galaxyText), wholeCall(1, "\u00e9", "getFilm", sevenText)) + callsEnd, bothCalls},
	{"the same ID", callsPart(wholeCall(0, "a", "listFilms", galaxyText)) + callsPart(wholeCall(1, "a", "getFilm", sevenText)) + callsEnd, bothCalls},
	{"the same ID, no index", callsPart(`{"id":"a","function":{"name":"listFilms","arguments":`+galaxyText+`}}`, `{"id":"a","function":{"name":"getFilm","arguments":`+sevenText+`}}`) + callsEnd, bothCalls},
	{"another ID in each part", callsPart(headGalaxy) + callsPart(`{"index":0,"id":"x1","function":{"arguments":"{\"q\":"}}`) + callsPart(`{"index":0,"id":"x2","function":{"arguments":"\"galaxy\"}"}}`) + callsEnd, callGalaxy},
	{"another ID in each part, no index", callsPart(`{"id":"x0","function":{"name":"listFilms"}}`) + callsPart(`{"id":"x1","function":{"arguments":"{\"q\":"}}`) + callsPart(`{"id":"x2","function":{"arguments":"\"galaxy\"}"}}`) + callsEnd, callGalaxy},
	{"ID is a number, null, has a space", callsPart(`{"index":0,"id":7,"function":{"name":"listFilms","arguments":"{}"}}`, `{"index":1,"id":null,"function":{"name":"listFilms","arguments":"{}"}}`, `{"index":2,"id":" \n","function":{"name":"getFilm","arguments":`+sevenText+`}}`) + callsEnd, "listFilms{} listFilms{} " + callSeven},

	// Forms.
	{"legacy function_call", part(`{"function_call":{"name":"listFilms","arguments":""}}`) + part(`{"function_call":{"arguments":"{\"q\":"}}`) + part(`{"function_call":{"arguments":"\"galaxy\"}"}}`) + finish("function_call") + done, callGalaxy},
	{"legacy function_call next to the call", part(`{"function_call":{"name":"listFilms","arguments":`+galaxyText+`},"tool_calls":[`+partGalaxy+`]}`) + callsEnd, callGalaxy},
	{"one call without a list", part(`{"tool_calls":`+partGalaxy+`}`) + callsEnd, callGalaxy},
	{"no function member", callsPart(`{"id":"a","name":"listFilms","arguments":`+galaxyText+`}`) + callsEnd, callGalaxy},
	{"arguments are an object", callsPart(wholeCall(0, "a", "listFilms", galaxy)) + callsEnd, callGalaxy},
	{"arguments are an object, again in the next part", callsPart(wholeCall(0, "a", "listFilms", `{"q":"g"}`)) + callsPart(`{"index":0,"function":{"arguments":`+galaxy+`}}`) + callsEnd, callGalaxy},
	{"arguments empty", callsPart(wholeCall(0, "a", "listFilms", `""`)) + callsEnd, "listFilms{}"},
	{"arguments null", callsPart(wholeCall(0, "a", "listFilms", `null`)) + callsEnd, "listFilms{}"},
	{"arguments null as a text", callsPart(wholeCall(0, "a", "listFilms", `"null"`)) + callsEnd, "listFilms{}"},
	{"arguments missing", callsPart(`{"index":0,"id":"a","function":{"name":"listFilms"}}`) + callsEnd, "listFilms{}"},
	{"arguments of blanks", callsPart(wholeCall(0, "a", "listFilms", `" \n"`)) + callsEnd, "listFilms{}"},
	{"JSON in a string in JSON", callsPart(wholeCall(0, "a", "listFilms", quoted(galaxyText))) + callsEnd, callGalaxy},
	{"numbers as strings", callsPart(wholeCall(0, "a", "getFilm", quoted(`{"film_id": "7"}`))) + callsEnd, `getFilm{"film_id": "7"}`},
	{"arguments over lines", callsPart(wholeCall(0, "a", "listFilms", quoted("\n{\r\n  \"q\": 1\r\n}\n"))) + callsEnd, "listFilms{\n  \"q\": 1\n}"},
	{"broken arguments", callsPart(wholeCall(0, "a", "listFilms", quoted(`{"q": galaxy`))) + callsEnd, `listFilms{"q": galaxy`},
	{"arguments are a list", callsPart(wholeCall(0, "a", "listFilms", `["galaxy"]`)) + callsEnd, `listFilms["galaxy"]`},
	{"arguments are a word", callsPart(wholeCall(0, "a", "listFilms", `"galaxy"`)) + callsEnd, `listFilmsgalaxy`},
	{"control characters in the arguments", callsPart(wholeCall(0, "a", "listFilms", quoted("{\"q\":\"g\u202ea\x1b\"}"))) + callsEnd, `listFilms{"q":"ga"}`},

	// Names.
	{"namespace", callsPart(wholeCall(0, "a", "functions.listFilms", galaxyText)) + callsEnd, callGalaxy},
	{"namespace with a colon", callsPart(wholeCall(0, "a", "tool:getFilm", sevenText)) + callsEnd, callSeven},
	{"special tokens after the name, gpt-oss", callsPart(wholeCall(0, "a", "listFilms<|channel|>commentary", galaxyText)) + callsEnd, callGalaxy},
	{"blanks around the name", callsPart(wholeCall(0, "a", " listFilms\n", galaxyText)) + callsEnd, callGalaxy},
	{"unknown name", callsPart(wholeCall(0, "a", "dropTables", `"{}"`)) + callsEnd, "dropTables{}"},
	{"a name that ends like a tool", callsPart(wholeCall(0, "a", "mylist", `"{}"`)) + callsEnd, "mylist{}"},
	{"no name", callsPart(wholeCall(0, "a", "", galaxyText)) + callsEnd, galaxy},

	// Finish reasons.
	{"stop", callsPart(partGalaxy) + goodEnd, callGalaxy},
	{"function_call as the reason", callsPart(partGalaxy) + finish("function_call") + done, callGalaxy},
	{"tool_use", callsPart(partGalaxy) + finish("tool_use") + done, callGalaxy},
	{"an unknown reason", callsPart(partGalaxy) + finish("eos_token") + done, callGalaxy},
	{"tool_calls, then stop", callsPart(partGalaxy) + finish("tool_calls") + goodEnd, callGalaxy},
	{"no reason", callsPart(partGalaxy) + done, callGalaxy},
	{"an empty reason", callsPart(partGalaxy) + finish("") + done, callGalaxy},
	{"no reason and no arguments", callsPart(`{"index":0,"id":"a","function":{"name":"listFilms"}}`) + done, "listFilms{}"},
	{"length after a complete call", callsPart(partGalaxy) + finish("length") + done, callGalaxy},
	{"a reason in the part of the call", event(`{"choices":[{"delta":{"tool_calls":[`+partGalaxy+`]},"finish_reason":"tool_calls"}]}`) + done, callGalaxy},

	// Next to other things.
	{"a short text before", delta("Let me look that up. ") + delta("One moment!") + callsPart(partGalaxy) + callsEnd, callGalaxy},
	{"text after", callsPart(partGalaxy) + delta(strings.Repeat("I have called it. ", 50)) + callsEnd, callGalaxy},
	{"text in the part of the call", part(`{"content":"Look:","tool_calls":[`+partGalaxy+`]}`) + callsEnd, callGalaxy},
	{"thoughts", thought("hm") + part(`{"reasoning":"hm","tool_calls":[`+partGalaxy+`]}`) + thought("hm") + callsEnd, callGalaxy},
	{"thoughts without an opening tag", delta("Should I?\n") + delta("</think>\n") + delta("Yes.") + callsPart(partGalaxy) + callsEnd, callGalaxy},
	{"an empty message next to the part", event(`{"choices":[{"delta":{"tool_calls":[`+partGalaxy+`]},"message":{"content":""}}]}`) + callsEnd, callGalaxy},
	{"thoughts in the text", delta("<think>Should I? "+strings.Repeat("Yes. ", 100)) + delta("</think>\n") + callsPart(partGalaxy) + callsEnd, callGalaxy},
	{"null calls and empty lists", part(`{"content":"","tool_calls":null}`) + part(`{"tool_calls":[]}`) + part(`{"tool_calls":[null,7,"x",[],{}]}`) + callsPart(partGalaxy) + callsEnd, callGalaxy},
	{"pings", event(`{"type":"ping"}`) + callsPart(headGalaxy) + event(`null`) + callsPart(moreArguments(0, galaxy)) + usageEvent + callsEnd, callGalaxy},
	{"of another choice", event(`{"choices":[{"index":1,"delta":{"tool_calls":[`+partSeven+`]}}]}`) + callsPart(partGalaxy) + callsEnd, callGalaxy},
	{"the whole message again at the end", callsPart(headGalaxy, headSeven) + callsPart(moreArguments(0, galaxy), moreArguments(1, seven)) + event(`{"choices":[{"message":`+toolMessage+`,"finish_reason":"tool_calls"}]}`) + done, bothCalls},
	{"whole messages", event(`{"choices":[{"message":{"tool_calls":[`+partGalaxy+`]}}]}`) + event(`{"choices":[{"message":{"tool_calls":[`+partSeven+`]}}]}`) + callsEnd, bothCalls},
}

func TestOddCalls(t *testing.T) {
	t.Parallel()
	for _, test := range oddCalls {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checkCalls(t, eventHead+test.raw, test.want)
		})
	}
}

// checkCalls asks with tools, streamed and not streamed. The answer has the calls, and no text gets out.
func checkCalls(t *testing.T, response, want string) {
	t.Helper()
	for _, provider := range []string{"openai", "ollama"} {
		u := listen(t, raw(response))
		m := newModel(t, upstream.Config{Provider: provider, BaseURL: u.URL, OllamaHost: u.URL})
		text, answer, err := askWithTools(bounded(t), m)
		if err != nil {
			t.Fatal(err)
		}
		if text != "" {
			t.Errorf("the client got %q", text)
		}
		checkCallAnswer(t, answer, want)
		r := question("Which film is it?")
		r.Tools = tools
		answer, err = m.Generate(bounded(t), r)
		if err != nil {
			t.Fatalf("not streamed: %v", err)
		}
		checkCallAnswer(t, answer, want)
		if hits := len(u.Requests()); hits != 2 {
			t.Errorf("%d requests, want 2", hits)
		}
	}
}

func checkCallAnswer(t *testing.T, answer upstream.Answer, want string) {
	t.Helper()
	var got []string
	ids := map[string]bool{}
	for _, c := range answer.Calls {
		got = append(got, c.Name+string(c.Arguments))
		if strings.Trim(c.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || c.ID == "" || ids[c.ID] {
			t.Errorf("the ID %q cannot be sent back, or is not unique", c.ID)
		}
		ids[c.ID] = true
	}
	if strings.Join(got, " ") != want {
		t.Errorf("the calls are %q, want %q", got, want)
	}
	if answer.Text != "" || answer.FinishReason != "tool_calls" || answer.Model == "" {
		t.Errorf("the answer is %+v", answer)
	}
}

// oddCallCompletions are whole answers with tool calls.
var oddCallCompletions = []oddity{
	{"plain", whole(toolMessage, `"tool_calls"`, ""), bothCalls},
	{"no index, no ID", whole(`{"content":"","tool_calls":[`+bareGalaxy+`,`+bareSeven+`]}`, `"tool_calls"`, ""), bothCalls},
	{"the same call twice", whole(`{"tool_calls":[`+bareGalaxy+`,`+bareGalaxy+`]}`, `"tool_calls"`, ""), callGalaxy + " " + callGalaxy},
	{"the same index and ID", whole(`{"tool_calls":[`+wholeCall(0, "a", "list", `""`)+`,`+wholeCall(0, "a", "list", `""`)+`]}`, `"tool_calls"`, ""), "list{} list{}"},
	{"arguments are an object", whole(`{"tool_calls":[`+wholeCall(0, "a", "listFilms", galaxy)+`]}`, `"stop"`, ""), callGalaxy},
	{"legacy function_call", whole(`{"content":null,"function_call":{"name":"listFilms","arguments":`+galaxyText+`}}`, `"function_call"`, ""), callGalaxy},
	{"text next to it", whole(`{"content":"I look it up.","tool_calls":[`+partGalaxy+`]}`, `"tool_calls"`, ""), callGalaxy},
	{"thoughts next to it", whole(`{"content":"<think>hm</think>","reasoning":"hm","tool_calls":[`+partGalaxy+`]}`, `"tool_calls"`, ""), callGalaxy},
	{"no reason", whole(`{"tool_calls":[`+partGalaxy+`]}`, `null`, ""), callGalaxy},
	{"an empty reason", whole(`{"tool_calls":[`+partGalaxy+`]}`, `""`, ""), callGalaxy},
	{"length after a complete call", whole(`{"tool_calls":[`+partGalaxy+`]}`, `"length"`, ""), callGalaxy},
	{"null call and the call", whole(`{"tool_calls":[null,`+partGalaxy+`]}`, `"tool_calls"`, ""), callGalaxy},
	{"broken arguments", whole(`{"tool_calls":[`+wholeCall(0, "a", "getFilm", `"{film_id: 7}"`)+`]}`, `"tool_calls"`, ""), "getFilm{film_id: 7}"},
	{"delta instead of a message", `{"choices":[{"delta":{"tool_calls":[` + partGalaxy + `]},"finish_reason":"tool_calls"}]}`, callGalaxy},
}

func TestOddCallCompletions(t *testing.T) {
	t.Parallel()
	for _, test := range oddCallCompletions {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checkCalls(t, labelled("application/json")+test.raw, test.want)
		})
	}
}

// Whole calls are used at once, even if they have no finish reason and the connection stays open.
func TestCallsOnOpenConnection(t *testing.T) {
	t.Parallel()
	u := listen(t, untilClosed(labelled("application/json")+whole(toolMessage, `null`, "")))
	r := question("Which film is it?")
	r.Tools = tools
	answer, err := newModel(t, upstream.Config{Provider: "openai", BaseURL: u.URL, IdleTimeout: time.Hour}).Generate(bounded(t), r)
	if err != nil {
		t.Fatal(err)
	}
	checkCallAnswer(t, answer, bothCalls)
}

// brokenCalls are responses with tool calls that cannot be used.
var brokenCalls = []struct {
	name, raw string
	want      upstream.Kind
}{
	{"cut within a call", eventHead + callsPart(headGalaxy) + callsPart(moreArguments(0, `{"q":`)), upstream.KindTruncated},
	{"cut after a call", eventHead + callsPart(partGalaxy), upstream.KindTruncated},
	{"chunked body cut after a call", chunkHead + chunk(callsPart(partGalaxy)), upstream.KindTruncated},
	{"chunked end after a call, no reason", chunkHead + chunk(callsPart(partGalaxy)) + "0\r\n\r\n", upstream.KindTruncated},
	{"DONE within a call, no reason", eventHead + callsPart(headGalaxy) + callsPart(moreArguments(0, `{"q":`)) + done, upstream.KindTruncated},
	{"length within a call", eventHead + callsPart(headGalaxy) + callsPart(moreArguments(0, `{"q":`)) + finish("length") + done, upstream.KindLength},
	{"length before the arguments", eventHead + callsPart(headGalaxy) + finish("length") + done, upstream.KindLength},
	{"length within the second call", eventHead + callsPart(partGalaxy) + callsPart(headSeven) + callsPart(moreArguments(1, `{"fi`)) + finish("length") + done, upstream.KindLength},
	{"content filter", eventHead + callsPart(partGalaxy) + finish("content_filter") + done, upstream.KindFiltered},
	{"refusal", eventHead + callsPart(partGalaxy) + part(`{"refusal":"I can't"}`) + goodEnd, upstream.KindFiltered},
	{"malformed call, Google", eventHead + callsPart(partGalaxy) + finish("MALFORMED_FUNCTION_CALL") + done, upstream.KindBadResponse},
	{"failed", eventHead + callsPart(partGalaxy) + finish("error") + done, upstream.KindUnavailable},
	{"error after a call", eventHead + callsPart(partGalaxy) + event(`{"error":{"message":"bad","code":403}}`) + done, upstream.KindAuth},
	{"tool_calls without a call", eventHead + callsEnd, upstream.KindBadResponse},
	{"tool_calls with text alone", eventHead + delta("He") + callsEnd, upstream.KindBadResponse},
	{"tool_calls: [null]", eventHead + part(`{"tool_calls":[null]}`) + callsEnd, upstream.KindBadResponse},
	{"tool_calls: [{}]", eventHead + part(`{"tool_calls":[{},{"index":0},{"type":"function"}]}`) + callsEnd, upstream.KindBadResponse},
	{"tool_calls: [] and no text", eventHead + part(`{"tool_calls":[]}`) + goodEnd, upstream.KindEmpty},
	{"huge arguments", eventHead + callsPart(headGalaxy) + strings.Repeat(callsPart(moreArguments(0, strings.Repeat("x", 1000))), 70) + callsEnd, upstream.KindBadResponse},
	{"huge arguments in one part", eventHead + callsPart(wholeCall(0, "a", "list", quoted(strings.Repeat("x", 70<<10)))) + callsEnd, upstream.KindBadResponse},
	{"a huge name", eventHead + callsPart(wholeCall(0, "a", strings.Repeat("x", 70<<10), `""`)) + callsEnd, upstream.KindBadResponse},
	{"too many calls", eventHead + manyCalls(65) + callsEnd, upstream.KindBadResponse},
	{"cut within a whole message", labelled("application/json") + whole(toolMessage, `"tool_calls"`, "")[:180], upstream.KindTruncated},
	{"length within a whole call", labelled("application/json") + whole(`{"tool_calls":[`+wholeCall(0, "a", "list", `"{\"q"`)+`]}`, `"length"`, ""), upstream.KindLength},
	{"too many whole calls", labelled("application/json") + whole(`{"tool_calls":[`+strings.Repeat(partGalaxy+",", 64)+partGalaxy+`]}`, `"tool_calls"`, ""), upstream.KindBadResponse},
}

func manyCalls(n int) string {
	var events strings.Builder
	for i := range n {
		events.WriteString(callsPart(wholeCall(i, fmt.Sprint("c", i), "list", `"{}"`)))
	}
	return events.String()
}

func TestBrokenCalls(t *testing.T) {
	t.Parallel()
	for _, test := range brokenCalls {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text, answer, err := askWithTools(bounded(t), openAI(t, listen(t, raw(test.raw))))
			checkKind(t, err, test.want)
			if text != "" || len(answer.Calls) > 0 {
				t.Errorf("the client got %q, %+v", text, answer)
			}
		})
	}
	checkCalls(t, eventHead+manyCalls(64)+callsEnd, strings.TrimSpace(strings.Repeat("list{} ", 64)))
}

// Calls are ignored if no tools were offered. The answer is the rest of the response.
func TestCallsThatWereNotOffered(t *testing.T) {
	t.Parallel()
	u := listen(t, raw(eventHead+delta("He")+callsPart(partGalaxy)+delta("llo")+goodEnd))
	if text, answer, err := ask(bounded(t), openAI(t, u)); err != nil || text != "Hello" || answer.Calls != nil {
		t.Errorf("got %q, %+v, %v", text, answer, err)
	}
	for response, want := range map[string]upstream.Kind{
		callsPart(partGalaxy) + goodEnd:                upstream.KindEmpty,
		callsPart(partGalaxy) + callsEnd:               upstream.KindBadResponse,
		delta("He") + callsPart(partGalaxy) + callsEnd: upstream.KindBadResponse,
	} {
		_, _, err := ask(bounded(t), openAI(t, listen(t, raw(eventHead+response))))
		checkKind(t, err, want)
	}
}

// While tools are offered, text is held back until it is long enough or the answer ends.
func TestHeldText(t *testing.T) {
	t.Parallel()
	word := "é word. " // eight characters in nine bytes
	for _, test := range []struct {
		name, raw, text string
		calls           int
	}{
		{"a short answer", delta("He") + delta("llo") + goodEnd, "Hello", 0},
		{"a long answer", strings.Repeat(delta(word), 100) + goodEnd, strings.Repeat(word, 100), 0},
		{"a comment of 239 characters", strings.Repeat(delta(word), 29) + delta("1234567") + callsPart(partGalaxy) + callsEnd, "", 1},
		{"thoughts do not count", delta("<think>"+strings.Repeat(word, 50)+"</think>") + delta("Look.") + callsPart(partGalaxy) + callsEnd, "", 1},
		{"a cut answer", delta("He") + finish("length") + done, "He", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text, answer, err := askWithTools(bounded(t), openAI(t, listen(t, raw(eventHead+test.raw))))
			if err != nil && !strings.Contains(test.raw, "length") {
				t.Fatal(err)
			}
			if text != test.text || len(answer.Calls) != test.calls || test.calls > 0 && answer.Text != "" || test.calls == 0 && answer.Text != text {
				t.Errorf("the client got %q, want %q; the answer is %+v", text, test.text, answer)
			}
		})
	}
	// A broken answer shows nothing of what was held back.
	for broken, want := range map[string]upstream.Kind{
		event(`{"error":{"message":"boom"}}`): upstream.KindUnavailable,
		done:                                  upstream.KindTruncated,
		finish("content_filter") + done:       upstream.KindFiltered,
	} {
		text, _, err := askWithTools(bounded(t), openAI(t, listen(t, raw(eventHead+delta("He")+broken))))
		if checkKind(t, err, want); text != "" {
			t.Errorf("%s: the client got %q", want, text)
		}
	}
}

// Text is not held back longer than necessary: the upstream here waits until the client has it. After a
// call, no more text gets out.
func TestHeldTextIsReleased(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	u := listen(t, func(conn net.Conn) {
		raw(eventHead + delta(strings.Repeat("x", 240)))(conn)
		<-arrived
		raw(delta("y"))(conn)
		<-arrived
		raw(callsPart(partGalaxy) + delta("dropped") + callsEnd)(conn)
	})
	r := question("Which film is it?")
	r.Tools = tools
	var chunks []int
	r.Emit = func(chunk string) error {
		chunks = append(chunks, len(chunk))
		arrived <- struct{}{}
		return nil
	}
	answer, err := openAI(t, u).Generate(bounded(t), r)
	if err != nil || !slices.Equal(chunks, []int{240, 1}) {
		t.Errorf("the chunks are %v, %v", chunks, err)
	}
	checkCallAnswer(t, answer, callGalaxy)
}
