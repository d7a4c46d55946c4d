package server

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"example.com/pagila-api/llm"
)

// A timer that fires just after a model has failed does not send the head: the failure has a status.
func TestNoHeadAfterFailure(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	failure := errors.New("failed")
	s := newStream(w, streamedAnswer{events: true, arrival: time.Now(), limits: Limits{HeadDelay: time.Hour, KeepAlive: time.Hour}})
	defer s.close()
	if err := s.writeEnd(llm.Result{}, failure); !errors.Is(err, failure) {
		t.Errorf("the error is %v", err)
	}
	s.keepAlive() // the timer
	if len(w.Header()) > 0 || w.Body.Len() > 0 {
		t.Errorf("the head is sent: %v %s", w.Header(), w.Body)
	}
}
