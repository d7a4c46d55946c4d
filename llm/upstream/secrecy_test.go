package upstream_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"example.com/pagila-api/llm/upstream"
)

// confidential is a word of a customer's question.
const confidential = "my-neighbour-Bob"

// Neither the error nor the log contains the question, even if the upstream echoes it wherever possible.
func TestNothingQuoted(t *testing.T) {
	t.Parallel()
	const echo = "You asked: What does " + confidential + " watch?"
	type answer struct{ name, raw string }
	var answers []answer
	for _, code := range []int{400, 401, 404, 429, 500, 503} {
		for shape, body := range map[string]string{
			"message":   fmt.Sprintf(`{"error":{"message":%q,"type":%[1]q,"code":%[1]q}}`, echo),
			"error":     fmt.Sprintf(`{"error":%q}`, echo),
			"top level": fmt.Sprintf(`{"object":"error","message":%q,"type":%[1]q}`, echo),
			"text":      echo,
		} {
			wait := "3600" // so long that there is no retry, and no wait in the test
			if code == 503 && shape == "message" {
				wait = "0" // a retry, which is logged
			}
			head := fmt.Sprintf("HTTP/1.1 %d X\r\nConnection: close\r\nRetry-After: "+wait+"\r\nContent-Length: %d\r\n\r\n", code, len(body))
			answers = append(answers, answer{fmt.Sprintf("%d %s", code, shape), head + body})
		}
	}
	answers = append(answers,
		answer{"no HTTP", echo + "\r\n\r\n"},
		answer{"status line", "HTTP/1.1 " + echo + "\r\n\r\n"},
		answer{"header line", "HTTP/1.1 200 OK\r\n" + echo[10:] + "\r\n\r\n"},
		answer{"redirect", "HTTP/1.1 302 Found\r\nLocation: http://[" + confidential + "\r\nContent-Length: 0\r\n\r\n"},
		answer{"content type", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: " + echo + "\r\n\r\n"},
		answer{"trailer", chunkHead + chunk(delta("He")) + "0\r\n" + echo[10:] + "\r\n\r\n"},
		answer{"chunk", chunkHead + echo + "\r\n"})
	for name, data := range map[string]string{
		"in-band error":  fmt.Sprintf(`{"error":{"message":%q,"code":%[1]q}}`, echo),
		"in-band text":   fmt.Sprintf(`{"error":%q}`, echo),
		"no JSON":        echo,
		"strange object": fmt.Sprintf(`{"status":%q}`, echo),
		"wrong type":     fmt.Sprintf(`{"choices":%q,"message":%[1]q}`, echo),
		"refusal":        fmt.Sprintf(`{"choices":[{"index":0,"delta":{"refusal":%q}}]}`, echo),
		"finish reason":  fmt.Sprintf(`{"choices":[{"index":0,"delta":{},"finish_reason":%q}],"message":{},"done":true,"done_reason":%[1]q}`, echo),
	} {
		answers = append(answers,
			answer{name + ", event", eventHead + event(data) + done},
			answer{name + ", line", lineHead + data + "\n"})
	}
	for _, provider := range []string{"openai", "ollama"} {
		for _, test := range answers {
			t.Run(provider+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				var log bytes.Buffer
				u := listen(t, raw(test.raw))
				c := newModel(t, upstream.Config{Provider: provider, BaseURL: u.URL, OllamaHost: u.URL, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				_, err := generate(bounded(t), c, func(string) error { return nil })
				if err == nil {
					t.Fatal("no error")
				}
				if strings.Contains(err.Error(), "Bob") {
					t.Errorf("the error quotes the upstream: %v", err)
				}
				if strings.Contains(log.String(), "Bob") {
					t.Errorf("the log quotes the upstream: %s", log.String())
				}
			})
		}
	}
}

func TestBlank(t *testing.T) {
	t.Parallel()
	for _, blank := range []string{
		"", " ", "\t\r\n\v\f", "\x00\x7f", "\u00a0\u1680\u2000\u200a\u202f\u205f\u3000", "\u0085\u2028\u2029",
		"\u200b\u200c\u200d\u2060\ufeff", "\u00ad\u202e\u2066", "\u115f\u1160\u3164\uffa0", "\u034f\ufe0f\U000e0100", "\U000e0041", "\u2800",
	} {
		if !upstream.Blank(blank) {
			t.Errorf("%+q is not blank", blank)
		}
	}
	for _, text := range []string{"?", " a ", "\u200bé", "映画", "🎬"} {
		if upstream.Blank(text) {
			t.Errorf("%+q is blank", text)
		}
	}
}
