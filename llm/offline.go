package llm

import (
	"encoding/json"
	"fmt"

	"github.com/tmc/langchaingo/llms"
)

// summarizeOffline writes the summary of the film in a prompt by the rule.
func summarizeOffline(prompt []llms.MessageContent) (string, error) {
	var f filmEntry
	if err := readBlock(prompt, filmTag, &f); err != nil {
		return "", &Error{Kind: KindBadResponse, Err: fmt.Errorf("the offline model: %w", err)}
	}
	raw, err := json.Marshal(Summary{Title: f.Title, Rating: f.Rating, Recommended: Recommended(f.Rating, f.rate())})
	return string(raw), err
}
