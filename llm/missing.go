package llm

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
	// maxListing is how much of a list of models is read. A router's list of some hundred has 1 MB.
	maxListing = 8 << 20
	// shownModels is how many of a list's models a warning names.
	shownModels = 5
)

// presence is what is known of whether the upstream has the model.
type presence struct {
	worked  atomic.Bool // a call has succeeded
	problem atomic.Pointer[string]
}

// problem is a sentence while the model is known to be missing.
func (d *doer) problem() string {
	if d == nil {
		return ""
	}
	if sentence := d.presence.problem.Load(); sentence != nil {
		return *sentence
	}
	return ""
}

// called notes how a call has ended.
func (d *doer) called(e *Error) {
	switch {
	case e == nil:
		d.presence.worked.Store(true)
		d.presence.problem.Store(nil)
	case e.Kind == KindNoModel:
		d.presence.problem.Store(new(fmt.Sprintf("The server at %s has no model %s.", d.base.Host, d.model)))
	}
}

// CheckModel asks the upstream whether it has the model, and warns in the log if its list of models
// lacks it. That is no more than a warning, since some upstreams have models that they do not list.
// One without such a list is believed to have the model. It returns when ctx ends.
func (c *Client) CheckModel(ctx context.Context) {
	if c.sender == nil {
		return
	}
	names, ok := c.sender.listed(ctx)
	if !ok || hasModel(names, c.sender.model) || c.sender.presence.worked.Load() {
		return
	}
	c.logger.WarnContext(ctx, "the upstream does not list the language model", "model", c.sender.model, "host", c.sender.base.Host,
		"listed", len(names), "some", names[:min(len(names), shownModels)], "remedy", c.sender.dialect.remedy(c.sender.model))
	c.sender.presence.problem.CompareAndSwap(nil, new(fmt.Sprintf("The server at %s does not list the model %s.", c.sender.base.Host, c.sender.model)))
}

// listed returns the names of the upstream's models, in order. Without a list that can be read it
// returns false.
func (d *doer) listed(ctx context.Context) ([]string, bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base.JoinPath(d.dialect.listing()).String(), nil)
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
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxListing))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, false
	}
	return modelNames(body)
}

// listedModel is an entry in a list of models. Servers name it in one of these members.
type listedModel struct {
	ID    looseText `json:"id"`
	Name  looseText `json:"name"`
	Model looseText `json:"model"`
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
			return nil, false // an empty list is Ollama's alone
		}
		list = append(object.Data, object.Models...)
	}
	var names []string
	for _, m := range list {
		for _, name := range []looseText{m.ID, m.Name, m.Model} {
			if modelName.MatchString(string(name)) {
				names = append(names, string(name))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), true
}

// modelName is a name that may be logged.
var modelName = regexp.MustCompile(`^[\w./:@+-]{1,100}$`)

// hasModel looks a model up as the servers do: Ollama adds ":latest" to a name without a tag, and
// Google's list has "models/" before each.
func hasModel(names []string, model string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		name = strings.TrimPrefix(name, "models/")
		return strings.EqualFold(name, model) || strings.EqualFold(name, model+":latest")
	})
}
