package upstream

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxModelList is how much of a list of models is read. A router's list of several hundred has 1 MB.
	maxModelList = 8 << 20
	// checkTimeout limits one request for the list.
	checkTimeout = 5 * time.Second
	// shownModels is how many models of a list a warning names.
	shownModels = 5
)

// checkPauses are the waits before an upstream that is not ready is asked again. A large model takes
// minutes to load.
var checkPauses = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute}

// presence is what is known about whether the upstream has the model.
type presence struct {
	worked  atomic.Bool // a call has succeeded
	problem atomic.Pointer[string]
}

// recordOutcome remembers what the outcome of a call shows.
func (d *doer) recordOutcome(e *Error) {
	switch {
	case e == nil, e.Kind == KindNoTools:
		d.presence.worked.Store(true)
		d.presence.problem.Store(nil)
	case e.Kind == KindNoModel:
		d.presence.problem.Store(new(fmt.Sprintf("The model server does not have the model %q.", d.model)))
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
// without such a list is assumed to have the model, and one that is not ready yet is asked again a few
// times. Check returns when that is over, when a call has succeeded, or when ctx ends.
func (m *Model) Check(ctx context.Context) {
	d := m.doer
	if d == nil {
		return
	}
	list, ok := d.listModels(ctx)
	if !ok || list.has(d.model, d.dialect) || d.presence.worked.Load() {
		return
	}
	m.logger.WarnContext(ctx, "the upstream does not list the language model", "model", d.model, "host", d.base.Host,
		"listed", len(list.names), "some", list.names[:min(len(list.names), shownModels)], "remedy", d.dialect.remedy(d.model))
	d.presence.problem.CompareAndSwap(nil, new(fmt.Sprintf("The model server may not have the model %q.", d.model)))
}

// listModels returns the list of the upstream's models, and whether there is a complete one that can be
// read.
func (d *doer) listModels(ctx context.Context) (modelList, bool) {
	body, ready := d.fetchModels(ctx)
	for _, pause := range checkPauses {
		if ready {
			break
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		if ctx.Err() != nil || d.presence.worked.Load() {
			return modelList{}, false
		}
		body, ready = d.fetchModels(ctx)
	}
	return readModelList(body)
}

// fetchModels asks for the list of models once. It returns false if the upstream cannot be reached or is
// not ready yet.
func (d *doer) fetchModels(ctx context.Context) ([]byte, bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base.JoinPath(d.dialect.modelList()).String(), nil)
	if err != nil {
		return nil, true // no later attempt would help
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
	switch {
	case err != nil, resp.StatusCode >= http.StatusInternalServerError, resp.StatusCode == http.StatusTooManyRequests:
		return nil, false
	case resp.StatusCode != http.StatusOK, strings.Contains(resp.Header.Get("Link"), "next"):
		return nil, true
	}
	return body, true
}
