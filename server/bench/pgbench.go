package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"example.com/pagila-api/server/bench/twin"
	"example.com/pagila-api/server/bench/wire"
)

// pgbench is the kind of the system that is PostgreSQL alone: pgbench executes the server's statements, without a
// server. It has only a rate.
const pgbench = "pgbench"

// findPgbench returns pgbench as a system, or nil if it is not installed.
func findPgbench(db *database) *process {
	for _, name := range []string{filepath.Join(db.server.BinDir(), pgbench), pgbench} {
		if path, err := exec.LookPath(name); err == nil {
			return &process{name: pgbench, kind: pgbench, path: path}
		}
	}
	return nil
}

// script is a script of pgbench with the values of its variables.
type script struct {
	text      string
	variables []string // as arguments of pgbench
}

// copyVariables begin the script of an operation that writes. Each transaction of a client has another copy, which it
// rents to another customer, or whose rental it ends. The script defines the numbers that numberVariables lists.
const copyVariables = `\set copy :client_id * :each + :k
\set customer 1 + :copy % :customers
\set rental :last + :copy
\set k :k + 1
`

// numberVariables are the variables of a script for the numbers of a request.
var numberVariables = map[string]string{"customer_id": ":customer", "inventory_id": ":copy", "rental_id": ":rental"}

// scriptOf makes a script of the statements of a request. The names of its variables begin with a prefix.
func scriptOf(ctx context.Context, conn *pgx.Conn, prefix string, e twin.Exchange) (s script, err error) {
	var text strings.Builder
	for i, trip := range e.Trips {
		var statements []string
		for j, statement := range trip.Statements {
			values, err := texts(ctx, conn, statement)
			if err != nil {
				return s, err
			}
			names := make([]string, len(values))
			for n, value := range values {
				name := fmt.Sprintf("%s_%d_%d_%d", prefix, i, j, n)
				names[n] = cmp.Or(numberVariables[parameterOf(e, value)], ":"+name)
				s.variables = append(s.variables, "-D", name+"="+value)
			}
			statements = append(statements, inParts(withVariables(statement.SQL, names))...)
		}
		if len(statements) > 1 { // in one round trip, like the server
			statements = slices.Concat([]string{"\\startpipeline"}, statements, []string{"\\endpipeline"})
		}
		for _, statement := range statements {
			text.WriteString(statement)
			if !strings.HasPrefix(statement, "\\") {
				text.WriteByte(';')
			}
			text.WriteByte('\n')
		}
	}
	s.text = text.String()
	return s, nil
}

// parameterOf returns the name of the number of the request that an argument is, or an empty string.
func parameterOf(e twin.Exchange, value string) string {
	for name, n := range e.Parameters {
		if value == strconv.Itoa(int(n)) {
			return name
		}
	}
	return ""
}

// inParts returns the statements of a text of the simple protocol. pgbench takes only one at a time.
func inParts(sql string) []string {
	var parts []string
	for part := range strings.SplitSeq(sql, ";") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

var placeholder = regexp.MustCompile(`\$(\d+)`)

// withVariables puts the names of variables in place of $1, $2 and so on.
func withVariables(sql string, names []string) string {
	return placeholder.ReplaceAllStringFunc(sql, func(number string) string {
		n, err := strconv.Atoi(number[1:])
		if err != nil || n > len(names) {
			return number
		}
		return names[n-1]
	})
}

// texts returns the arguments of a statement as texts. None may be NULL.
func texts(ctx context.Context, conn *pgx.Conn, s wire.Statement) ([]string, error) {
	if len(s.Args) == 0 { // it may be several statements
		return nil, nil
	}
	description, err := conn.Prepare(ctx, "", s.SQL)
	if err != nil {
		return nil, err
	}
	values := make([]string, len(s.Args))
	for i, data := range s.Args {
		if s.Formats[i] == pgtype.BinaryFormatCode {
			if data, err = asText(conn.TypeMap(), description.ParamOIDs[i], data); err != nil {
				return nil, err
			}
		}
		values[i] = string(data)
	}
	return values, nil
}

func asText(types *pgtype.Map, oid uint32, data []byte) ([]byte, error) {
	known, ok := types.TypeForOID(oid)
	if !ok {
		return nil, fmt.Errorf("pgx does not know the type %d", oid)
	}
	value, err := known.Codec.DecodeValue(types, oid, pgtype.BinaryFormatCode, data)
	if err != nil {
		return nil, err
	}
	return types.Encode(oid, pgtype.TextFormatCode, value, nil)
}

// pgbenchScripts returns one script for each combination of statements that the requests of an operation have. Each
// round takes the arguments of other requests, since a variable of pgbench has one value.
func (b *bench) pgbenchScripts(ctx context.Context, o operation, round int) ([]script, error) {
	byText := map[string][]string{}
	var order []string
	for _, target := range o.targets {
		var key strings.Builder
		for _, trip := range b.recording.Reads[target].Trips {
			for _, s := range trip.Statements {
				key.WriteString(s.SQL)
			}
		}
		if byText[key.String()] == nil {
			order = append(order, key.String())
		}
		byText[key.String()] = append(byText[key.String()], target)
	}
	scripts := make([]script, len(order))
	for i, key := range order {
		targets := byText[key]
		var err error
		// The rounds spread over the requests, and the first one takes one from the middle.
		at := (len(targets)/2 + round*(len(targets)/5+1)) % len(targets)
		if scripts[i], err = scriptOf(ctx, b.db.conn, "v"+strconv.Itoa(i), b.recording.Reads[targets[at]]); err != nil {
			return nil, err
		}
	}
	return scripts, nil
}

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// runPgbench returns the transactions per second of pgbench with as many clients as the closed loop has. Each of them
// makes a number of transactions.
func (b *bench) runPgbench(ctx context.Context, scripts []script, each int) (float64, error) {
	dir, err := os.MkdirTemp("", "pagila-api-pgbench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	args := []string{"-n", "-M", "prepared", "-c", strconv.Itoa(clientCount), "-j", "2", "-t", strconv.Itoa(each)}
	for i, s := range scripts {
		file := filepath.Join(dir, strconv.Itoa(i)+".sql")
		if err := os.WriteFile(file, []byte(s.text), 0o600); err != nil {
			return 0, err
		}
		args = append(append(args, "-f", file), s.variables...)
	}
	cmd := exec.CommandContext(ctx, b.alone.path, append(args, b.db.url)...) //nolint:gosec // pgbench, with arguments of our own
	cmd.SysProcAttr = childAttributes()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w: %s", err, out)
	}
	match := tps.FindSubmatch(out)
	if match == nil {
		return 0, errors.New("pgbench printed no rate")
	}
	return strconv.ParseFloat(string(match[1]), 64)
}

// pgbenchPeaks adds the rates of pgbench to what a round has found.
func (b *bench) pgbenchPeaks(ctx context.Context, round int, ops []operation, found findings) error {
	if b.alone == nil {
		return nil
	}
	for _, o := range ops {
		m := unknown()
		var err error
		switch o.name {
		case rent:
			m.rate, err = b.pgbenchWrites(ctx, b.recording.Rent, b.shop.takeBack, false)
		case giveBack:
			m.rate, err = b.pgbenchWrites(ctx, b.recording.Return, b.shop.rentAll, true)
		default:
			m.rate, err = b.pgbenchReads(ctx, o, round, found[o.name][b.systems[0]].rate)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		found[o.name][b.alone] = &m
	}
	return nil
}

// pgbenchReads lasts about as long as a measurement if the rate is the expected one.
func (b *bench) pgbenchReads(ctx context.Context, o operation, round int, expected float64) (float64, error) {
	scripts, err := b.pgbenchScripts(ctx, o, round)
	if err != nil {
		return 0, err
	}
	return b.runPgbench(ctx, scripts, max(1, int(expected*(b.warmUp+b.window).Seconds())/clientCount))
}

// pgbenchWrites makes one transaction for each copy, after prepare. Each should leave a rental, which has ended or not.
func (b *bench) pgbenchWrites(
	ctx context.Context, e twin.Exchange, prepare func(context.Context) (copies int, err error), ended bool,
) (float64, error) {
	copies, err := prepare(ctx)
	if err != nil {
		return 0, err
	}
	s, err := scriptOf(ctx, b.db.conn, "v", e)
	if err != nil {
		return 0, err
	}
	each := copies / clientCount
	s.text = copyVariables + s.text
	for name, n := range map[string]int{"k": 1, "each": each, "customers": b.shop.customerCount, "last": int(b.shop.lastRental)} {
		s.variables = append(s.variables, "-D", name+"="+strconv.Itoa(n))
	}
	rate, err := b.runPgbench(ctx, []script{s}, each)
	if err != nil {
		return 0, err
	}
	switch n, err := b.shop.count(ctx, ended); {
	case err != nil:
		return 0, err
	case n != each*clientCount:
		return 0, fmt.Errorf("pgbench left %d rentals, not %d", n, each*clientCount)
	}
	return rate, b.shop.reset(ctx)
}
