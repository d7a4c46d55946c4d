package llm

import (
	"encoding/json"
	"fmt"

	"github.com/tmc/langchaingo/llms"
)

// offlineIntro says what the offline model knows, so that nobody expects more of it.
const offlineIntro = "This is the offline model, which knows the catalogue and nothing else.\n\n"

// answerOffline answers a prompt from nothing but the films in its catalogue block: with a summary in JSON
// mode, and otherwise with an answer to the question.
func answerOffline(prompt []llms.MessageContent, summary bool) (string, error) {
	answer := offlineQuestion
	if summary {
		answer = offlineSummary
	}
	var c catalogue
	err := readBlock(prompt, catalogueOpen, catalogueClose, &c)
	text := ""
	if err == nil {
		text, err = answer(prompt, c.Films)
	}
	if err != nil {
		return "", &Error{Kind: KindBadResponse, Err: fmt.Errorf("the offline model: %w", err)}
	}
	return text, nil
}

// offlineQuestion answers the part of the question that it understands.
func offlineQuestion(prompt []llms.MessageContent, films []filmEntry) (string, error) {
	var question string
	if err := readBlock(prompt, questionOpen, questionClose, &question); err != nil {
		return "", err
	}
	text, _ := read(question, films).answer(films)
	return offlineIntro + text, nil
}

// offlineSummary applies the rule to the one film.
func offlineSummary(_ []llms.MessageContent, films []filmEntry) (string, error) {
	if len(films) != 1 {
		return "", fmt.Errorf("the catalogue for a summary has %d films, want 1", len(films))
	}
	f := films[0]
	raw, err := json.Marshal(Summary{Title: f.Title, Rating: f.Rating, Recommended: Recommended(f.Rating, f.rate())})
	return string(raw), err
}
