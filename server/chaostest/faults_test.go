package chaostest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"example.com/pagila-api/server/internal/testprogram"
)

// faultsName is the variable that asks for the faults.
const faultsName = "FAULTS"

// fault is something that breaks. run causes it, and checks and measures what clients notice.
type fault struct {
	name    string
	promise string // of the server
	test    string // of "make test" that is about it, or empty
	run     func(*trial)
}

// faults are all of them, in the order of the report.
var faults = []fault{
	{
		"PostgreSQL is stopped with a fast shutdown and restarted, three times",
		"503 until it is back; no rental is lost or made twice", "", restartInOrder,
	},
	{
		"PostgreSQL is stopped with an immediate shutdown and restarted, three times",
		"503 until it has recovered; no rental is lost or made twice", "", restartAtOnce,
	},
	{
		"PostgreSQL is killed, three times",
		"503 until it has recovered; no rental is lost or made twice", "", killPostgres,
	},
	{
		"all sessions are terminated, ten times",
		"only 503, and few; no rental is lost or made twice", "store: TestTerminatedWhileIdle", terminateSessions,
	},
	{
		"other programs take all connection slots",
		"503 until there are some; not ready, but alive", "store: TestRefusedLogin", takeSlots,
	},
	{
		"the network takes 50 ms more in each direction",
		"every request succeeds", "store: TestFarAway", delayPackets,
	},
	{
		"the network drops every packet for 12 s",
		"each request gets 503 within its time limit; alive all the time", "store: TestFrozen", dropPackets,
	},
	{
		"connections are reset, 50 in a second",
		"only 503, and none lost or twice", "store: TestReset, TestLostCommit", resetConnections,
	},
	{
		"idle connections are forgotten by a firewall",
		"reads succeed on new connections", "store: TestFrozen", forgetConnections,
	},
	{
		"the primary is killed and the standby promoted, with both hosts in the URL",
		"503 until the promotion; no rental is lost or made twice", "store: TestFailover", failOver,
	},
	{
		"the disk of PostgreSQL is full",
		"reads succeed while PostgreSQL runs, and the rest gets 503; no rental is lost or made twice",
		"store/localpg: TestExplain", fillDisk,
	},
	{
		"another session locks a copy that 30 clients want",
		"only they get 503; ready all the time", "store: TestLockedCopy", lockCopy,
	},
	{
		"the role has only the privileges in roles.sql",
		"every request succeeds", "store: TestLeastPrivilege", leastPrivilege,
	},
	{
		"the server is killed, three times",
		"requests in flight get no response; no rental is lost or made twice", "historytest: TestHistory", killServer,
	},
	{
		"the server is stopped under load, and is polled while it drains",
		"every request on a kept connection gets a response; /readyz says 503, and no error is logged",
		"TestNoRequestLostAtTheEnd, TestDrain", drain,
	},
	{
		"400 clients without a pause, and some ask questions",
		"200 or 503 for each; ready all the time", "server: TestAdmission", func(tr *trial) { overload(tr, 400) },
	},
	{
		"1,000 clients without a pause, and some ask questions",
		"200 or 503 for each; ready all the time", "server: TestAdmission", func(tr *trial) { overload(tr, 1000) },
	},
	{
		"300 clients that send headers or bodies slowly, or do not read",
		"they are disconnected by their time limits; all others succeed", "server: TestAskClientDoesNotRead", slowClients,
	},
	{
		"the server may open 64 files, and 200 connections are held",
		"it serves again when they are closed", "", fewDescriptors,
	},
	{
		"nobody reads the log, and then its reader ends",
		"every request succeeds, and the server ends gracefully", "TestLogIsNotRead, TestReaderOfOutputEnds", blockLog,
	},
	{
		"PostgreSQL is silent when the server starts",
		"/healthz is 200 at once, and the rest is 503", "TestHealthWithSilentDatabase", startInSilence,
	},
	{
		"two first starts at once on one directory",
		"one serves, and the other one ends and says why", "TestTwoPrograms", startTwice,
	},
	{
		"two deployments migrate a database at once",
		"both succeed", "", migrateTwice,
	},
	{
		"the language model resets each connection",
		"503 with a problem; the rest of the API is not affected", "llm/upstream: TestBrokenStream", modelFault(resets),
	},
	{
		"the language model sends nothing",
		"504 with a problem; the rest of the API is not affected", "llm/upstream: TestStalled", modelFault(silent),
	},
	{
		"the language model sends garbage",
		"502 with a problem; the rest of the API is not affected", "llm/upstream: TestBrokenLines", modelFault(garbage),
	},
	{
		"the language model dies in the middle of an answer",
		"no client takes the answer for a whole one; the rest of the API is not affected",
		"server: TestAskFailsMidway", modelFault(midway),
	},
}

// TestFaults causes each fault, checks what is promised, and reports what was measured.
func TestFaults(t *testing.T) {
	if os.Getenv(faultsName) == "" {
		t.Skip("it takes minutes: run make chaos")
	}
	l := lab{newCluster(t), testprogram.Build(t, nil)}
	table := "| fault | promise | kept | measured | in every `make test` |\n|---|---|---|---|---|\n"
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			tr := newTrial(t, l)
			defer func() { table += row(f, tr) }()
			f.run(tr)
		})
	}
	db := l.cluster.open(t)
	writeReport(t, faultsTitle, fmt.Sprintf("* Machine: %s\n* Dataset: %s\n* Load average at the end: %s\n\n%s",
		describe(t, db), l.cluster.dataset, loadAverage(t), notes+table))
}

// notes explain the table.
const notes = `Each fault meets a server as users run it, with PostgreSQL on a disk. Unless the fault is about clients, 16 of them use it: one
of five requests rents, one returns, the others read films, and a question is asked now and then. A rental is lost if a client was told of it and the table does
not have it. It is made twice if two rentals of one copy overlap. Before these, ` + "`TestChaos`" + ` has most of the faults of the
database happen at once for a minute.

`

// row returns the row of a fault in the report.
func row(f fault, tr *trial) string {
	kept := yes(!tr.Failed())
	if tr.Skipped() {
		kept = "not run"
	}
	if tr.measured == "" && tr.Failed() {
		tr.measure("%s; it was not completed", summary(tr.ledger.counts()))
	}
	tests := ""
	if f.test != "" {
		tests = "`" + strings.ReplaceAll(f.test, ", ", "`, `") + "`"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", f.name, f.promise, kept, tr.measured, tests)
}
