package main

import (
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []float64
		want   string
	}{
		{[]float64{3, 1, 2}, "**2.00** (1.00–3.00)"},
		{[]float64{4, 1, 2, 3}, "**2.50** (1.00–4.00)"},
		{nil, "–"},
	} {
		if got := spreadOf(test.values).String(); got != test.want {
			t.Errorf("the spread of %v is %s, want %s", test.values, got, test.want)
		}
	}
}

// The ratios are those within the rounds. Those of the medians would be 1.
func TestReportComparesWithinRounds(t *testing.T) {
	t.Parallel()
	s, e := &process{name: "server", kind: server}, &process{name: "equal twin", kind: equal}
	b := &bench{systems: []*process{s, e}, results: map[string]map[*process][]measurement{"films": {}}}
	for _, rates := range [][2]float64{{10, 20}, {20, 40}, {40, 10}} {
		for i, p := range b.systems {
			m := unknown()
			m.rate = rates[i]
			b.results["films"][p] = append(b.results["films"][p], m)
		}
	}
	table := b.table("films")
	for _, want := range []string{
		"| server | 20 | – | – |", "| equal twin | 20 |", "| server ÷ equal twin | **0.50** (0.50–4.00) |",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is not in\n%s", want, table)
		}
	}
	want := "| films | requests/s, server ÷ equal twin | at least 0.85 | **0.50** (0.50–4.00) | **missed** |"
	if targets := b.targetTable(); !strings.Contains(targets, want) || strings.Count(targets, "films") != 1 {
		t.Errorf("%q is not the only target in\n%s", want, targets)
	}
}

func TestFixedRate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ serverPeak, peak, want float64 }{
		{1000, 2000, 700}, {1000, 800, 700}, {1000, 700, 490},
	} {
		if got := fixedRate(test.serverPeak, test.peak); got < test.want-1 || got > test.want+1 {
			t.Errorf("for peaks of %f and %f the rate is %f, want %f", test.serverPeak, test.peak, got, test.want)
		}
	}
}

func TestDifference(t *testing.T) {
	t.Parallel()
	want := "want …b\ngot  …c"
	if got := difference([]byte("ab"), []byte("ac")); got != strings.ReplaceAll(want, "…", "…a") {
		t.Errorf("the difference is %q", got)
	}
	if got := difference([]byte("a"), []byte("ab")); got != "want …a\ngot  …ab" {
		t.Errorf("the difference is %q", got)
	}
}
