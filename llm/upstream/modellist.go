package upstream

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// modelList is an upstream's list of models.
type modelList struct {
	names []string // that may be logged, sorted
	plain []string // all strings that may be names, as plain names
}

// listedModel is an entry in a list of models. Servers put its name into one of these members.
type listedModel struct {
	ID    looseString `json:"id"`
	Name  looseString `json:"name"`
	Model looseString `json:"model"`
}

// readModelList reads a list of models: OpenAI's {"data":[…]}, Ollama's {"models":[…]}, or a bare list.
// It returns false if the list cannot be read, or may be incomplete.
func readModelList(body []byte) (modelList, bool) {
	var object struct {
		Data   []json.RawMessage `json:"data"`
		Models []json.RawMessage `json:"models"`
	}
	var entries []json.RawMessage
	if json.Unmarshal(body, &entries) != nil {
		// Only Ollama's list may be empty.
		if err := json.Unmarshal(body, &object); err != nil || len(object.Data) == 0 && object.Models == nil || hasNextPage(body) {
			return modelList{}, false
		}
		entries = append(object.Data, object.Models...)
	}
	var list modelList
	for _, entry := range entries {
		if !list.add(entry) {
			return modelList{}, false
		}
	}
	slices.Sort(list.names)
	list.names = slices.Compact(list.names)
	return list, true
}

// add adds an entry. It returns false for an entry without a name.
func (l *modelList) add(entry json.RawMessage) bool {
	var m listedModel
	_ = json.Unmarshal(entry, &m) // an entry of another form has no name
	if m == (listedModel{}) {
		return false
	}
	for _, name := range []looseString{m.ID, m.Name, m.Model} {
		if modelName.MatchString(string(name)) {
			l.names = append(l.names, string(name))
		}
	}
	l.plain = append(l.plain, plainNames(entry)...)
	return true
}

// hasNextPage reports whether an object with a list of models is only one page of it.
func hasNextPage(body []byte) bool {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(body, &members) // it is an object
	for name, value := range members {
		name = strings.ToLower(name)
		if (strings.HasPrefix(name, "next") || strings.HasSuffix(name, "_more") || name == "hasmore") && !isVacuous(value) {
			return true
		}
	}
	return false
}

// plainNames are the strings in an entry and in its lists, since a model may have further names.
func plainNames(entry json.RawMessage) (names []string) {
	var members map[string]any
	_ = json.Unmarshal(entry, &members) // it is an object
	for _, value := range members {
		values, ok := value.([]any)
		if !ok {
			values = []any{value}
		}
		for _, v := range values {
			if name, ok := v.(string); ok {
				names = append(names, plainName(name))
			}
		}
	}
	return names
}

// modelName matches a name that may be logged.
var modelName = regexp.MustCompile(`^[\w./:@+-]{1,100}$`)

// plainName is a model's name in lower case, without what some servers add to it: Google's "models/" and
// Ollama's ":latest".
func plainName(name string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(name), "models/"), ":latest")
}

// has looks up a model as the servers do.
func (l modelList) has(model string, d dialect) bool {
	model = plainName(model)
	return slices.ContainsFunc(l.plain, func(name string) bool { return d.sameModel(name, model) })
}

// versionSuffix matches the part in which several names of one model differ: a date or "latest".
var versionSuffix = regexp.MustCompile(`[-@](\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|\d{3,4}|latest)$`)
