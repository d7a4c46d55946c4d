// Package historytest tests the rental counter as clients know it: many at once, on a network that loses responses,
// with servers that are killed.
//
// The clients rent, return, subscribe, cancel and change films through a proxy, which drops some responses after the
// server has committed. They repeat a request until they get an answer. There are two servers on one database.
// Each is killed and started again, while the other one handles the retries. Afterwards the test compares what the
// clients were told with the rows, and has a checker of linearizability look for an order of all requests that
// explains what each client was told.
//
// "make history-test" runs it for a minute, and shows that the test fails without each lock of the store.
package historytest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"example.com/pagila-api/server/internal/testprogram"
	"example.com/pagila-api/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// durationName is the variable with the duration of a run. The short form is the default.
const durationName = "HISTORY_DURATION"

// plan is how a run goes.
type plan struct {
	length time.Duration
	pace   time.Duration // the mean time between two requests of a client
	kills  int           // of servers
}

// short has a thousand requests, and leaves the machine to the tests of other packages for most of the time.
var short = plan{length: 6 * time.Second, pace: 300 * time.Millisecond, kills: 1}

func TestHistory(t *testing.T) {
	p := short
	if long := duration(t); long > 0 {
		p = plan{length: long, kills: 2}
	}
	v := run(t, testprogram.Build(t, nil), p)
	for i, wrong := range v.wrong {
		if i == maxReports {
			t.Errorf("and %d more", len(v.wrong)-i)
			break
		}
		t.Error(wrong)
	}
	v.wantFaults(t)
}

// maxReports bounds the output of a test that fails.
const maxReports = 10

// duration returns the duration of the long form, or 0 for the short form.
func duration(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv(durationName)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", durationName, err)
	}
	return d
}

// run lets the clients use two servers, kills servers in turn, and returns what is wrong afterwards.
func run(t *testing.T, binary string, p plan) *verdict {
	t.Helper()
	databaseURL := pgtest.New(t)
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := makeShop(t, db)
	strangers := s.strangers(t, db)

	var programs []*program
	start := func() *program {
		p := startProgram(t, binary, databaseURL, fmt.Sprintf("history-%d", len(programs)+1))
		programs = append(programs, p)
		return p
	}
	live := []*program{start(), start()}
	proxy := newProxy(t, live...)
	traffic := newTraffic(s, proxy, p.pace)
	ctx, cancel := context.WithTimeout(t.Context(), p.length)
	defer cancel()
	left := make(chan struct{})
	go func() { traffic.run(ctx); close(left) }()
	for n := range p.kills {
		<-time.After(time.Until(traffic.begin.Add(p.length * time.Duration(n+1) / time.Duration(p.kills+1))))
		victim := live[n%2]
		traffic.hurry()
		proxy.waitWrite(ctx, victim)
		victim.Kill()
		proxy.replace(victim, nil)
		victim.waitGone(t, db)
		victim.goneAt = time.Since(traffic.begin)
		live[n%2] = start()
		proxy.replace(nil, live[n%2])
	}
	<-left
	traffic.inspect()
	for _, p := range live {
		p.stop(t)
		p.waitGone(t, db)
	}

	s.wantSameDay(t, db)
	begin := time.Now()
	v := traffic.verify(t, db)
	v.wantStrangers(t, db, strangers)
	t.Logf("%d clients for %v, %d servers killed:\n%s, checked in %v",
		clients, p.length, p.kills, v.table(), time.Since(begin).Round(time.Millisecond))
	for _, p := range programs {
		if log := p.Stderr.String(); len(v.wrong) > 0 && log != "" {
			t.Logf("the log of %s begins with: %s", p.name, log[:min(len(log), maxLog)])
		}
	}
	return v
}

// maxLog bounds how much of a server's log a test that fails shows, in bytes.
const maxLog = 2000

// wantFaults checks that the run had what it is about.
func (v *verdict) wantFaults(t *testing.T) {
	t.Helper()
	done := map[effect]map[kind]int{made: {}, repeated: {}, refused: {}}
	dropped := 0
	for _, e := range v.traffic.events {
		switch {
		case e.dropped && e.killed == nil:
			dropped++
		case done[e.effect()] != nil:
			done[e.effect()][e.kind]++
		}
	}
	for k := range successes {
		if done[made][k] == 0 {
			t.Errorf("no request was successful: %s", k)
		}
	}
	for k := range repeatCodes {
		if done[repeated][k] == 0 {
			t.Errorf("no request found that it was made before: %s", k)
		}
	}
	for k := range refusals {
		if done[refused][k] == 0 {
			t.Errorf("no request was refused: %s", k)
		}
	}
	if dropped == 0 {
		t.Error("no response was dropped")
	}
}
