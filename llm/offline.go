package llm

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tmc/langchaingo/llms"
)

// offlineName is the model name of the offline model.
const offlineName = "offline"

// offlineIntro says what answers, so that nobody takes it for more.
const offlineIntro = "This is the offline model, which knows the catalogue and nothing else.\n\n"

// offlineModel is a llms.Model without a language model: it reads the catalogue block in the
// prompt and a few words of the question. It makes the server useful without an account, and
// testable, since the same prompt always has the same answer.
//
// It goes through the same guard and the same checks as any other model.
type offlineModel struct{}

var _ llms.Model = offlineModel{}

// Call is the short form of GenerateContent that llms.Model asks for.
func (m offlineModel) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, prompt, options...)
}

// GenerateContent answers in JSON mode with a summary of the one film, else the question. It streams word by word, and counts words as tokens.
func (m offlineModel) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	var o llms.CallOptions
	for _, set := range options {
		set(&o)
	}
	text, err := m.reply(messages, o.JSONMode)
	if err != nil {
		return nil, &Error{Kind: KindBadResponse, Err: fmt.Errorf("the offline model: %w", err)}
	}
	words := strings.SplitAfter(text, " ")
	if o.StreamingFunc != nil {
		for _, word := range words {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err := o.StreamingFunc(ctx, []byte(word)); err != nil {
				return nil, err
			}
		}
	}
	asked := 0
	for _, m := range messages {
		asked += len(strings.Fields(messageText(m)))
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{
		Content:        text,
		StopReason:     "stop",
		GenerationInfo: map[string]any{infoPromptTokens: asked, infoCompletionTokens: len(words)},
	}}}, nil
}

// reply reads the data blocks of the prompt and answers.
func (offlineModel) reply(messages []llms.MessageContent, summary bool) (string, error) {
	var c catalogue
	if err := readBlock(messages, catalogueOpen, catalogueClose, &c); err != nil {
		return "", err
	}
	if summary {
		return offlineSummary(c.Films)
	}
	var question string
	if err := readBlock(messages, questionOpen, questionClose, &question); err != nil {
		return "", err
	}
	text, _ := read(question, c.Films).answer(c.Films)
	return offlineIntro + text, nil
}

// offlineSummary applies the rule to the one film.
func offlineSummary(films []filmEntry) (string, error) {
	if len(films) != 1 {
		return "", fmt.Errorf("a summary is of one film, not of %d", len(films))
	}
	f := films[0]
	raw, err := json.Marshal(Summary{Title: f.Title, Rating: f.Rating, Recommended: Recommended(f.Rating, f.rate())})
	return string(raw), err
}
