package main

import (
	_ "embed"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/template"
	"time"

	"example.com/pagila-api/server/bench/machine"
)

//go:embed report.tmpl
var reportTemplate string

// report prints the results, and writes them to a file if there is one.
func (b *bench) report(ops []operation, o options, w io.Writer) error {
	t, err := template.New("report").Parse(reportTemplate)
	if err != nil {
		return err
	}
	type section struct{ Title, Table string }
	var sections []section
	for _, op := range ops {
		sections = append(sections, section{op.title, b.table(op.name)})
	}
	var text strings.Builder
	err = t.Execute(&text, map[string]any{
		"Date": time.Now().UTC().Format(time.DateOnly), "Machine": machine.Describe(b.db.version), "Dataset": b.db.dataset,
		"Rounds": o.rounds, "Window": o.window, "FixedWindow": o.fixedWindow, "WarmUp": o.warmUp, "Clients": clientCount,
		"Connections": openCount, "Peak": 100 * partOfPeak, "Targets": b.targetTable(), "Sections": sections,
		"Pgbench": b.alone != nil,
	})
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, text.String()); err != nil || o.output == "" {
		return err
	}
	return os.WriteFile(o.output, []byte(text.String()), 0o644) //nolint:gosec // everybody may read it
}

// column is a figure of a measurement.
type column struct {
	name   string
	figure func(measurement) float64
	format string
}

var (
	rate        = column{"requests/s", func(m measurement) float64 { return m.rate }, "%.0f"}
	fixed       = column{"fixed rate", func(m measurement) float64 { return m.fixedRate }, "%.0f"}
	p50         = column{"p50 ms", func(m measurement) float64 { return m.p50 }, "%.2f"}
	p99         = column{"p99 ms", func(m measurement) float64 { return m.p99 }, "%.2f"}
	cpu         = column{"CPU ms", func(m measurement) float64 { return m.cpu }, "%.3f"}
	postgresCPU = column{"PostgreSQL CPU ms", func(m measurement) float64 { return m.postgresCPU }, "%.3f"}
	allocations = column{"allocations", func(m measurement) float64 { return m.allocations }, "%.0f"}

	columns = []column{rate, fixed, p50, p99, cpu, postgresCPU, allocations}
)

// shown are the systems in the report.
func (b *bench) shown() []*process {
	if b.alone == nil {
		return b.systems
	}
	return append(slices.Clone(b.systems), b.alone)
}

// table returns the medians of an operation, and the ratios of the server to the other systems.
func (b *bench) table(operation string) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	var text strings.Builder
	fmt.Fprintf(&text, "| | %s |\n|---|%s\n", strings.Join(names, " | "), strings.Repeat("---:|", len(columns)))
	results := b.results[operation]
	for _, p := range b.shown() {
		row(&text, p.name, func(c column) string { return number(c.format, spreadOf(figures(results[p], c)).median) })
	}
	for _, p := range b.shown()[1:] {
		row(&text, "server ÷ "+p.name, func(c column) string {
			if c.name == fixed.name {
				return ""
			}
			return b.ratio(operation, c, p).String()
		})
	}
	return text.String()
}

func row(w io.Writer, name string, cell func(column) string) {
	fmt.Fprintf(w, "| %s |", name)
	for _, c := range columns {
		fmt.Fprintf(w, " %s |", cell(c))
	}
	fmt.Fprintln(w)
}

// unknownFigure stands for what was not measured.
const unknownFigure = "–"

func number(format string, n float64) string {
	if math.IsNaN(n) {
		return unknownFigure
	}
	return fmt.Sprintf(format, n)
}

// String returns the median with the range.
func (s spread) String() string {
	if math.IsNaN(s.median) {
		return unknownFigure
	}
	return fmt.Sprintf("**%.2f** (%.2f–%.2f)", s.median, s.least, s.most)
}

func figures(all []measurement, c column) []float64 {
	values := make([]float64, len(all))
	for i, m := range all {
		values[i] = c.figure(m)
	}
	return values
}

// ratio returns the ratios of the server to another system within the rounds.
func (b *bench) ratio(operation string, c column, p *process) spread {
	values := figures(b.results[operation][b.systems[0]], c)
	for i, other := range figures(b.results[operation][p], c) {
		values[i] /= other
	}
	return spreadOf(values)
}

// target is what a ratio should be, or a figure of the server if it is not compared with anything.
type target struct {
	operation string
	column    column
	against   string
	bound     float64
	atMost    bool
}

var goals = []target{
	{"films", rate, naive, 1.8, false}, {"category", rate, naive, 1.8, false},
	{"films", rate, equal, 0.85, false}, {"category", rate, equal, 0.85, false},
	{"films", p99, equal, 1.3, true}, {"category", p99, equal, 1.3, true},
	{"films", cpu, equal, 1.35, true}, {"category", cpu, equal, 1.35, true},
	{"film", rate, equal, 0.9, false}, {rent, rate, equal, 0.9, false},
	{"films", allocations, "", 250, true}, {"category", allocations, "", 250, true},
}

// targetTable returns the targets that were measured, and whether the medians reach them.
func (b *bench) targetTable() string {
	var text strings.Builder
	text.WriteString("| Operation | Figure | Target | Measured | |\n|---|---|---|---|---|\n")
	for _, g := range goals {
		measured, ok := b.measured(g)
		if !ok {
			continue
		}
		bound, met := "at least ", measured.median >= g.bound
		if g.atMost {
			bound, met = "at most ", measured.median <= g.bound
		}
		figure, value := g.column.name, fmt.Sprintf("%.0f", measured.median)
		if g.against != "" {
			figure, value = figure+", server ÷ "+g.against+" twin", measured.String()
		}
		verdict := map[bool]string{true: "met", false: "**missed**"}[met]
		fmt.Fprintf(&text, "| %s | %s | %s%g | %s | %s |\n", g.operation, figure, bound, g.bound, value, verdict)
	}
	return text.String()
}

// measured returns what was measured for a target, or false if it was not.
func (b *bench) measured(t target) (spread, bool) {
	s := spreadOf(nil)
	if t.against == "" {
		s = spreadOf(figures(b.results[t.operation][b.systems[0]], t.column))
	}
	for _, p := range b.systems {
		if p.kind == t.against {
			s = b.ratio(t.operation, t.column, p)
		}
	}
	return s, !math.IsNaN(s.median)
}
