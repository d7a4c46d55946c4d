package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/llms"

	reader "example.com/pagila-api/llm/offline"
	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/llm/upstream/upstreamtest"
	"example.com/pagila-api/store/pgtest"
)

// goodModel is a model server that makes the calls that a good model would make. By default, these are the calls of
// the offline model.
type goodModel struct {
	*httptest.Server
	arguments map[string]string // of listFilms, for the questions that need others
}

// chatMessage is a message of OpenAI's protocol.
type chatMessage struct {
	Role       string     `json:"role"`
	Content    string     `json:"content,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
	ToolCalls  []chatCall `json:"tool_calls,omitempty"`
}

type chatCall struct {
	Index    int               `json:"index"`
	ID       string            `json:"id"`
	Type     string            `json:"type"`
	Function llms.FunctionCall `json:"function"`
}

func newGoodModel(t *testing.T, all []question) *goodModel {
	t.Helper()
	m := &goodModel{arguments: map[string]string{}}
	for _, q := range all {
		if q.arguments != "" {
			m.arguments[q.text] = q.arguments
		}
	}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request struct{ Messages []chatMessage }
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			t.Errorf("the request is no JSON: %v", err)
		}
		reply, err := m.reply(r, request.Messages)
		if err != nil {
			t.Errorf("reply: %v", err)
		}
		finish := "stop"
		if len(reply.ToolCalls) > 0 {
			finish = "tool_calls"
		}
		delta, err := json.Marshal(reply)
		if err != nil {
			t.Errorf("reply: %v", err)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"delta\":%s}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":%q}]}\n\ndata: [DONE]\n\n", delta, finish)
	}))
	t.Cleanup(m.Close)
	return m
}

// reply is the next message of the model.
func (m *goodModel) reply(r *http.Request, messages []chatMessage) (chatMessage, error) {
	last := messages[len(messages)-1]
	if arguments := m.arguments[questionIn(messages)]; arguments != "" {
		call := chatCall{ID: "call_1", Type: "function", Function: llms.FunctionCall{Name: "listFilms", Arguments: arguments}}
		if last.Role != "tool" {
			return chatMessage{Role: "assistant", ToolCalls: []chatCall{call}}, nil
		}
		return chatMessage{Role: "assistant", Content: cite(last.Content)}, nil
	}
	got, err := reader.New(nil).GenerateContent(r.Context(), conversationOf(messages), llms.WithTools([]llms.Tool{{}}))
	if err != nil {
		return chatMessage{}, err
	}
	reply := chatMessage{Role: "assistant", Content: got.Choices[0].Content}
	for i, c := range got.Choices[0].ToolCalls {
		reply.ToolCalls = append(reply.ToolCalls, chatCall{Index: i, ID: c.ID, Type: c.Type, Function: *c.FunctionCall})
	}
	return reply, nil
}

// questionIn is the question of a conversation.
func questionIn(messages []chatMessage) string {
	var question string
	for _, m := range messages {
		_, block, _ := strings.Cut(m.Content, "<question>\n")
		block, _, found := strings.Cut(block, "\n</question>")
		if found && m.Role == "user" && json.Unmarshal([]byte(block), &question) == nil {
			return question
		}
	}
	return ""
}

// conversationOf converts messages to those of langchaingo.
func conversationOf(messages []chatMessage) []llms.MessageContent {
	roles := map[string]llms.ChatMessageType{"system": llms.ChatMessageTypeSystem, "user": llms.ChatMessageTypeHuman}
	var all []llms.MessageContent
	for _, m := range messages {
		switch m.Role {
		case "tool":
			all = append(all, llms.MessageContent{Role: llms.ChatMessageTypeTool, Parts: []llms.ContentPart{llms.ToolCallResponse{ToolCallID: m.ToolCallID, Content: m.Content}}})
		case "assistant":
			calls := llms.MessageContent{Role: llms.ChatMessageTypeAI}
			for _, c := range m.ToolCalls {
				calls.Parts = append(calls.Parts, llms.ToolCall{ID: c.ID, Type: c.Type, FunctionCall: &c.Function})
			}
			all = append(all, calls)
		default:
			all = append(all, llms.TextParts(roles[m.Role], m.Content))
		}
	}
	return all
}

// cite is an answer that cites the films of a result.
func cite(result string) string {
	var page struct {
		Items []struct {
			FilmID int32 `json:"film_id"`
		}
		Total int64
	}
	object := result[strings.Index(result, "{") : strings.LastIndex(result, "}")+1]
	if err := json.Unmarshal([]byte(object), &page); err != nil {
		return err.Error()
	}
	var answer strings.Builder
	fmt.Fprintf(&answer, "%d of %d films:", len(page.Items), page.Total)
	for _, f := range page.Items[:min(len(page.Items), 8)] {
		fmt.Fprintf(&answer, " [%d]", f.FilmID)
	}
	return answer.String()
}

// TestGoodModel shows that a model that makes good calls answers everyday questions from the right films.
func TestGoodModel(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	all := questions(t)
	u := newGoodModel(t, all)
	a := start(t, withModel(newModel(t, loadContract(t), upstream.Config{Provider: "openai", APIKey: upstreamtest.Key, BaseURL: u.URL + "/v1"})))
	a.exec(t, `UPDATE film SET streaming_available = true WHERE film_id % 50 = 7`)
	answered := 0
	for _, q := range all {
		t.Run(q.text, func(t *testing.T) {
			got := a.get(t, "/ai/ask?question="+url.QueryEscape(q.text)).want(t, 200)
			if answer := string(got.body); !strings.Contains(answer, "Not understood") {
				answered++
				q.check(t, a, answer)
			}
		})
	}
	t.Logf("the model answers %d of %d questions", answered, len(all))
	if answered < 150 {
		t.Errorf("the model answers %d questions, want 150", answered)
	}
}
