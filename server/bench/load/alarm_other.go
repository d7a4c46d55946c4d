//go:build !linux

package load

import "time"

// alarm waits for a time.
type alarm struct{}

func newAlarm() (alarm, error) { return alarm{}, nil }

// sleepUntil waits until t.
func (alarm) sleepUntil(t time.Time) error {
	<-time.After(time.Until(t))
	return nil
}

func (alarm) close() {}
