package llm_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream/upstreamtest"
)

// wholeCatalogue has as many films as Pagila, with as many names.
func wholeCatalogue() []llm.Film {
	films := make([]llm.Film, 1000)
	for i := range films {
		films[i] = film()
		films[i].ID, films[i].Title = int32(i+1), fmt.Sprintf("TITLE%d NUMBER%d", i, i%7)
		films[i].Description = strings.Repeat(films[i].Title+" ", 10)
		films[i].Actors = nil
		for j := range 5 {
			films[i].Actors = append(films[i].Actors, fmt.Sprintf("FIRST%d LAST%d", (i+j*j)%200, (i+j*j)%200))
		}
	}
	return films
}

// BenchmarkNewQuestion prepares a question about the whole catalogue.
func BenchmarkNewQuestion(b *testing.B) {
	films := wholeCatalogue()
	b.ReportAllocs()
	for b.Loop() {
		if len(llm.NewQuestion("Why are short PG comedies under 1 dollar so funny?", films).Sources()) != 8 {
			b.Fatal("not eight films")
		}
	}
}

// TestQuestionKeepsLittle shows that a stream does not keep the catalogue in memory. It is not parallel,
// because it measures the memory of the whole program.
func TestQuestionKeepsLittle(t *testing.T) {
	const limit = 100 << 10
	questions := make([]llm.Question, 10)
	before := upstreamtest.Memory()
	for i := range questions {
		questions[i] = llm.NewQuestion("Which PG films are short?", wholeCatalogue())
	}
	if each := (upstreamtest.Memory() - before) / int64(len(questions)); each > limit {
		t.Errorf("a question keeps %d bytes, want at most %d", each, limit)
	}
	runtime.KeepAlive(questions)
}
