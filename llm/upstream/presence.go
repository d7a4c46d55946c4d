package upstream

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
)

const (
	// maxModelList is how much of a list of models is read. A router's list of several hundred has 1 MB.
	maxModelList = 8 << 20
	// shownModels is how many models of a list a warning names.
	shownModels = 5
)

// presence is what is known about whether the upstream has the model.
type presence struct {
	worked  atomic.Bool // a call has succeeded
	problem atomic.Pointer[string]
}

// recordOutcome remembers what the outcome of a call shows.
func (d *doer) recordOutcome(e *Error) {
	switch {
	case e == nil:
		d.presence.worked.Store(true)
		d.presence.problem.Store(nil)
	case e.Kind == KindNoModel:
		d.presence.problem.Store(new(fmt.Sprintf("The server at %s has no model %s.", d.base.Host, d.model)))
	}
}

// Problem returns a sentence if the upstream is known not to have the model, and otherwise an empty
// string. The sentence may be shown to anyone.
func (m *Model) Problem() string {
	if m.doer == nil {
		return ""
	}
	if sentence := m.doer.presence.problem.Load(); sentence != nil {
		return *sentence
	}
	return ""
}

// Check asks the upstream whether it has the model, and logs a warning if its list of models lacks
// it. It is only a warning because some upstreams have models that they do not list. An upstream
// without such a list is assumed to have the model. Check returns when ctx ends.
func (m *Model) Check(ctx context.Context) {
	d := m.doer
	if d == nil {
		return
	}
	names, ok := d.listModels(ctx)
	if !ok || hasModel(names, d.model) || d.presence.worked.Load() {
		return
	}
	m.logger.WarnContext(ctx, "the upstream does not list the language model", "model", d.model, "host", d.base.Host,
		"listed", len(names), "some", names[:min(len(names), shownModels)], "remedy", d.dialect.remedy(d.model))
	d.presence.problem.CompareAndSwap(nil, new(fmt.Sprintf("The server at %s does not list the model %s.", d.base.Host, d.model)))
}

// listModels returns the sorted names of the upstream's models, and whether there is a list that can
// be read.
func (d *doer) listModels(ctx context.Context) ([]string, bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base.JoinPath(d.dialect.modelList()).String(), nil)
	if err != nil {
		return nil, false
	}
	req.Header.Set("User-Agent", userAgent)
	if d.key != "" {
		req.Header.Set("Authorization", "Bearer "+d.key)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxModelList))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, false
	}
	return modelNames(body)
}

// listedModel is an entry in a list of models. Servers put its name into one of these members.
type listedModel struct {
	ID    looseString `json:"id"`
	Name  looseString `json:"name"`
	Model looseString `json:"model"`
}

// modelNames reads a list of models: OpenAI's {"data":[…]}, Ollama's {"models":[…]}, or a bare list.
func modelNames(body []byte) ([]string, bool) {
	var object struct {
		Data   []listedModel `json:"data"`
		Models []listedModel `json:"models"`
	}
	var list []listedModel
	if json.Unmarshal(body, &list) != nil {
		if err := json.Unmarshal(body, &object); err != nil || len(object.Data) == 0 && object.Models == nil {
			return nil, false // only Ollama's list may be empty
		}
		list = append(object.Data, object.Models...)
	}
	var names []string
	for _, m := range list {
		for _, name := range []looseString{m.ID, m.Name, m.Model} {
			if modelName.MatchString(string(name)) {
				names = append(names, string(name))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), true
}

// modelName matches a name that may be logged.
var modelName = regexp.MustCompile(`^[\w./:@+-]{1,100}$`)

// hasModel looks up a model as the servers do: Ollama adds ":latest" to a name without a tag, and
// Google's list has the prefix "models/".
func hasModel(names []string, model string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		name = strings.TrimPrefix(name, "models/")
		return strings.EqualFold(name, model) || strings.EqualFold(name, model+":latest")
	})
}
