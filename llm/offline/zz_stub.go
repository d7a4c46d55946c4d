package offline

import (
	"encoding/json"

	"github.com/tmc/langchaingo/llms"
)

// Search is a stub until branch reader is merged.
func Search(question string) (string, json.RawMessage) {
	raw, _ := json.Marshal(map[string]string{"q": question})
	return "listFilms", raw
}

// Understood is a stub until branch reader is merged.
func Understood([]llms.MessageContent) bool { return false }
