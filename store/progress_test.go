package store

import (
	"errors"
	"testing"
	"time"
)

// TestProgress checks rounds of the watch in turn. The primary is asked at the beginning of each second, and the
// replica half a second later.
func TestProgress(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(second int, lsn uint64) mark { return mark{lsn, start.Add(time.Duration(second) * time.Second)} }
	type round struct {
		primary mark
		replica uint64
		usable  bool
	}
	for name, rounds := range map[string][]round{
		"nobody writes":                {{at(0, 100), 100, true}, {at(1, 100), 100, true}, {at(99, 100), 100, true}},
		"a second behind":              {{at(0, 100), 90, false}, {at(1, 200), 100, true}, {at(2, 300), 250, true}, {at(3, 400), 399, true}},
		"it stops, and catches up":     {{at(0, 100), 100, true}, {at(1, 200), 100, true}, {at(2, 300), 100, true}, {at(3, 400), 100, false}, {at(4, 500), 500, true}},
		"the primary does not respond": {{at(0, 100), 100, true}, {at(1, 200), 150, true}, {at(1, 200), 160, true}, {at(1, 200), 200, true}},
		"not known at first":           {{at(0, 100), 1, false}, {at(1, 100), 2, false}},
		"a new primary has less":       {{at(0, 900), 800, false}, {at(1, 1000), 900, true}, {at(2, 950), 940, true}, {at(3, 990), 960, true}},
		"ahead at first":               {{at(0, 90), 100, false}, {at(1, 90), 100, false}, {at(2, 90), 90, false}, {at(3, 90), 90, true}},
		"newer than the first answer":  {{at(0, 90), 95, false}, {at(1, 100), 101, true}},
		"the primary passes it":        {{at(0, 100), 100, true}, {at(1, 90), 100, false}, {at(2, 95), 100, false}, {at(3, 120), 100, false}, {at(4, 130), 130, true}},
		"it continues, then stops":     {{at(0, 100), 100, true}, {at(1, 90), 110, false}, {at(2, 95), 110, false}, {at(3, 120), 110, false}},
		"it is rewound":                {{at(0, 100), 100, true}, {at(1, 90), 100, false}, {at(2, 120), 80, false}, {at(3, 120), 120, true}},
		"ahead of a new primary":       {{at(0, 100), 100, true}, {at(1, 90), 100, false}, {at(2, 95), 100, false}, {at(3, 200), 200, true}},
	} {
		var p progress
		for i, r := range rounds {
			position := mark{r.replica, r.primary.at.Add(time.Second / 2)}
			err := p.check(position, r.primary, 2*time.Second)
			if (err == nil) != r.usable {
				t.Errorf("%s, round %d: %v, want usable: %t", name, i+1, err, r.usable)
			}
			if name == "ahead of a new primary" && !r.usable && !errors.Is(err, errAhead) {
				t.Errorf("round %d: %v", i+1, err)
			}
		}
	}
}
