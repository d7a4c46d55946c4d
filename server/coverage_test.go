package server_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"example.com/pagila-api/api"
	"example.com/pagila-api/server"
	"example.com/pagila-api/server/internal/contract"
)

// triple is the unit of coverage: an operation can respond with this status and this media type. HEAD counts
// as GET.
type triple struct {
	operation string
	status    int
	mediaType string
}

func (t triple) String() string { return fmt.Sprintf("%s %d %s", t.operation, t.status, t.mediaType) }

// coverage counts the responses in all tests of this package. The servers under test fill it.
var coverage = newTally()

type tally struct {
	mu           sync.Mutex
	counts       map[triple]int
	undocumented map[string]int // undocumented responses
}

func newTally() *tally { return &tally{counts: map[triple]int{}, undocumented: map[string]int{}} }

func (c *tally) count(got server.Response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case got.Err != nil:
		c.undocumented[fmt.Sprintf("%s %s: %d %s", got.Request.Method, got.Request.URL.Path, got.Status, got.MediaType)]++
	case got.Operation != "":
		c.counts[triple{got.Operation, got.Status, got.MediaType}]++
	}
}

// covered runs the tests and then reports how much of the contract they have exercised: a summary
// on stdout, and the same with each triple and its count in the file that CONTRACT_COVERAGE names.
//
// The run fails when the whole suite has left a part of the contract out, or has received something
// undocumented.
type covered struct{ *testing.M }

func (m covered) Run() int {
	code := m.M.Run()
	if isSet("test.list") || isSet("test.fuzz") || isSet("test.fuzzworker") {
		return code // no tests ran
	}
	documented, err := documentedTriples()
	if err != nil {
		fmt.Println("contract coverage:", err)
		return max(code, 1)
	}
	if path := os.Getenv("CONTRACT_COVERAGE"); path != "" {
		var report strings.Builder
		coverage.summarize(&report, documented, true)
		coverage.report(&report, documented)
		if err := os.WriteFile(path, []byte(report.String()), 0o600); err != nil {
			fmt.Println("contract coverage:", err)
			return max(code, 1)
		}
	}
	partial := testing.Short() || isSet("test.run") || isSet("test.skip")
	if complete := coverage.summarize(os.Stdout, documented, !partial); !complete {
		return max(code, 1)
	}
	return code
}

func isSet(name string) bool {
	f := flag.Lookup(name)
	return f != nil && f.Value.String() != f.DefValue
}

// documentedTriples returns the triples in the contract, sorted.
func documentedTriples() ([]triple, error) {
	doc, err := api.Load(context.Background())
	if err != nil {
		return nil, err
	}
	var all []triple
	for _, op := range contract.Operations(doc) {
		for status, response := range op.Spec().Responses.Map() {
			number, err := strconv.Atoi(status)
			if err != nil {
				return nil, fmt.Errorf("%s has the status %q: list each status", op.ID, status)
			}
			if len(response.Value.Content) == 0 {
				all = append(all, triple{op.ID, number, ""})
			}
			for mediaType := range response.Value.Content {
				all = append(all, triple{op.ID, number, mediaType})
			}
		}
	}
	slices.SortFunc(all, func(a, b triple) int {
		return cmp.Or(cmp.Compare(a.operation, b.operation), cmp.Compare(a.status, b.status), cmp.Compare(a.mediaType, b.mediaType))
	})
	return all, nil
}

// missing returns those of the triples that were not received.
func (c *tally) missing(all []triple) []triple {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(all), func(t triple) bool { return c.counts[t] > 0 })
}

// report lists each triple with its count, as tab-separated columns.
func (c *tally) report(w io.Writer, documented []triple) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(w, "operation\tstatus\tmedia type\tresponses")
	for _, t := range documented {
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\n", t.operation, t.status, t.mediaType, c.counts[t])
	}
	for _, what := range slices.Sorted(maps.Keys(c.undocumented)) {
		fmt.Fprintf(w, "undocumented\t\t%s\t%d\n", what, c.undocumented[what])
	}
}

// summarize writes how much of the contract was exercised, and reports whether it is enough: unless whole is
// set, parts may be missing.
func (c *tally) summarize(w io.Writer, documented []triple, whole bool) bool {
	missing := c.missing(documented)
	c.mu.Lock()
	defer c.mu.Unlock()
	responses := 0
	for _, t := range documented {
		responses += c.counts[t]
	}
	fmt.Fprintf(w, "contract coverage: %d of %d documented responses exercised, by %d responses; %d undocumented\n",
		len(documented)-len(missing), len(documented), responses, len(c.undocumented))
	for _, what := range slices.Sorted(maps.Keys(c.undocumented)) {
		fmt.Fprintln(w, "  undocumented:", what)
	}
	if !whole {
		fmt.Fprintln(w, "  (only a part of the tests ran, so the coverage is not checked)")
		return len(c.undocumented) == 0
	}
	for _, t := range missing {
		fmt.Fprintln(w, "  never exercised:", t)
	}
	return len(missing) == 0 && len(c.undocumented) == 0
}
