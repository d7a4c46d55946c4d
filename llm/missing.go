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
	"time"
)

const (
	// maxListing is how much of a list of models is read. A router's list of some hundred has 1 MB.
	maxListing = 8 << 20
	// checkTimeout bounds one question for the list.
	checkTimeout = 5 * time.Second
	// shownModels is how many of a list's models a warning names.
	shownModels = 5
)

// checkPauses are the waits before an upstream that is not there is asked again. A large model takes
// minutes to load.
var checkPauses = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute}

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
		d.presence.problem.Store(new(fmt.Sprintf("The model server does not have the model %q.", d.model)))
	}
}

// CheckModel asks the upstream whether it has the model, and warns in the log if its list of models
// lacks it. That is no more than a warning, since some upstreams have models that they do not list.
// One without such a list is believed to have the model; one that is not there yet is asked again, a few
// times. It returns when that is over, a call has succeeded, or ctx ends.
func (c *Client) CheckModel(ctx context.Context) {
	if c.sender == nil {
		return
	}
	list, ok := c.sender.listed(ctx)
	if !ok || list.has(c.sender.model, c.sender.dialect) || c.sender.presence.worked.Load() {
		return
	}
	c.logger.WarnContext(ctx, "the upstream does not list the language model", "model", c.sender.model, "host", c.sender.base.Host,
		"listed", len(list.shown), "some", list.shown[:min(len(list.shown), shownModels)], "remedy", c.sender.dialect.remedy(c.sender.model))
	c.sender.presence.problem.CompareAndSwap(nil, new(fmt.Sprintf("The model server may not have the model %q.", c.sender.model)))
}

// listed returns the list of the upstream's models. Without a whole one that can be read it returns false.
func (d *doer) listed(ctx context.Context) (modelList, bool) {
	body, there := d.listing(ctx)
	for _, pause := range checkPauses {
		if there {
			break
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		if ctx.Err() != nil || d.presence.worked.Load() {
			return modelList{}, false
		}
		body, there = d.listing(ctx)
	}
	return readModels(body)
}

// listing asks for the list of models once. It returns false if the upstream is not there, or not yet.
func (d *doer) listing(ctx context.Context) ([]byte, bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base.JoinPath(d.dialect.listing()).String(), nil)
	if err != nil {
		return nil, true // and never will there be a list
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
	switch {
	case err != nil, resp.StatusCode >= http.StatusInternalServerError, resp.StatusCode == http.StatusTooManyRequests:
		return nil, false
	case resp.StatusCode != http.StatusOK, strings.Contains(resp.Header.Get("Link"), "next"):
		return nil, true
	}
	return body, true
}

// modelList is an upstream's list of models.
type modelList struct {
	texts []string // whatever may be a name, in lower case
	shown []string // the names that may be logged, in order
}

// listedModel is an entry in a list of models. Servers name it in one of these members.
type listedModel struct {
	ID    looseText `json:"id"`
	Name  looseText `json:"name"`
	Model looseText `json:"model"`
}

// readModels reads a list of models: OpenAI's {"data":[…]}, Ollama's {"models":[…]}, or a bare list. It
// returns false where the list cannot be read, or may not be the whole one.
func readModels(body []byte) (list modelList, ok bool) {
	var object struct {
		Data   []json.RawMessage `json:"data"`
		Models []json.RawMessage `json:"models"`
	}
	var entries []json.RawMessage
	if json.Unmarshal(body, &entries) != nil {
		// An empty list is Ollama's alone.
		if err := json.Unmarshal(body, &object); err != nil || len(object.Data) == 0 && object.Models == nil || goesOn(body) {
			return modelList{}, false
		}
		entries = append(object.Data, object.Models...)
	}
	for _, entry := range entries {
		var m listedModel
		_ = json.Unmarshal(entry, &m) // what has no name is found next
		names := []string{string(m.ID), string(m.Name), string(m.Model)}
		if strings.Join(names, "") == "" {
			return modelList{}, false
		}
		for _, name := range names {
			if modelName.MatchString(name) {
				list.shown = append(list.shown, name)
			}
		}
		list.texts = append(list.texts, textsIn(entry)...)
	}
	slices.Sort(list.shown)
	list.shown = slices.Compact(list.shown)
	return list, true
}

// goesOn says whether a list of models is only the first page of one.
func goesOn(body []byte) bool {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(body, &members) // an object
	for name, value := range members {
		name = strings.ToLower(name)
		if (strings.HasPrefix(name, "next") || strings.HasSuffix(name, "_more") || name == "hasmore") && !saysNothing(value) {
			return true
		}
	}
	return false
}

// textsIn are the texts in an entry, and in its lists: a model may have other names than its first.
func textsIn(entry json.RawMessage) (texts []string) {
	var members map[string]any
	_ = json.Unmarshal(entry, &members) // an object
	for _, value := range members {
		values, ok := value.([]any)
		if !ok {
			values = []any{value}
		}
		for _, v := range values {
			if text, ok := v.(string); ok {
				texts = append(texts, plainName(text))
			}
		}
	}
	return texts
}

// modelName is a name that may be logged.
var modelName = regexp.MustCompile(`^[\w./:@+-]{1,100}$`)

// plainName is a model's name without what some servers put before or after it: Google's "models/", and
// Ollama's ":latest".
func plainName(name string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(name), "models/"), ":latest")
}

// has looks a model up as the servers do.
func (l modelList) has(model string, d dialect) bool {
	model = plainName(model)
	return slices.ContainsFunc(l.texts, func(name string) bool { return d.sameModel(name, model) })
}

// versions are what follows the names of models that are one model: dates, and "-latest".
var versions = regexp.MustCompile(`[-@](\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|\d{3,4}|latest)$`)
