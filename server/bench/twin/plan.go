package twin

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/pagila-api/server/bench/wire"
)

// plan is what the API sends to PostgreSQL for a request, by round trips.
type plan []trip

// trip is one round trip: a text of the simple protocol, or statements that the connection has prepared.
type trip struct {
	simple     string
	statements []statement
}

type statement struct {
	sql  string
	args []argument
}

// argument is a value, or the name of a number in the request.
type argument struct {
	value     any
	parameter string
}

// newPlan makes a plan of the round trips of an exchange.
func newPlan(ctx context.Context, conn *pgx.Conn, e Exchange) (plan, error) {
	var p plan
	for _, recorded := range e.Trips {
		var t trip
		for _, s := range recorded.Statements {
			if s.Formats == nil {
				t.simple = s.SQL
				continue
			}
			args, err := arguments(ctx, conn, s, e.Parameters)
			if err != nil {
				return nil, fmt.Errorf("read the arguments of %s: %w", s.SQL, err)
			}
			t.statements = append(t.statements, statement{s.SQL, args})
		}
		if t.simple != "" || t.statements != nil {
			p = append(p, t)
		}
	}
	return p, nil
}

// arguments decodes the arguments of a statement, since pgx encodes them anew for each request.
func arguments(ctx context.Context, conn *pgx.Conn, s wire.Statement, parameters map[string]int32) ([]argument, error) {
	description, err := conn.Prepare(ctx, "", s.SQL)
	if err != nil {
		return nil, err
	}
	args := make([]argument, len(s.Args))
	for i, data := range s.Args {
		if args[i].value, err = decode(conn.TypeMap(), description.ParamOIDs[i], s.Formats[i], data); err != nil {
			return nil, err
		}
		for name, n := range parameters {
			if args[i].value == n {
				args[i].parameter = name
			}
		}
	}
	return args, nil
}

func decode(types *pgtype.Map, oid uint32, format int16, data []byte) (any, error) {
	known, ok := types.TypeForOID(oid)
	if !ok || data == nil {
		return string(data), nil // an enum
	}
	value, err := known.Codec.DecodeValue(types, oid, format, data)
	if array, ok := value.([]any); ok {
		return typed(array), err
	}
	return value, err
}

// typed returns an array of texts as people pass it to pgx, which encodes that faster.
func typed(array []any) any {
	texts := make([]string, len(array))
	for i, element := range array {
		text, ok := element.(string)
		if !ok {
			return array
		}
		texts[i] = text
	}
	return texts
}

// numbers are the numbers of a request by their names.
type numbers map[string]int32

// execute sends the statements in the round trips of the API. scan is called with the result of each of them, except
// for those of the simple protocol.
func (p plan) execute(ctx context.Context, pool *pgxpool.Pool, parameters numbers, scan func(pgx.Rows) error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // it closes a connection that is in a transaction
	for _, t := range p {
		if err := t.execute(ctx, conn, parameters, scan); err != nil {
			return err
		}
	}
	return nil
}

func (t trip) execute(ctx context.Context, conn *pgxpool.Conn, parameters numbers, scan func(pgx.Rows) error) error {
	if t.simple != "" {
		_, err := conn.Conn().PgConn().Exec(ctx, t.simple).ReadAll()
		return err
	}
	if len(t.statements) == 1 {
		s := t.statements[0]
		rows, err := conn.Query(ctx, s.sql, s.values(parameters)...)
		if err != nil {
			return err
		}
		return scan(rows)
	}
	var batch pgx.Batch
	for _, s := range t.statements {
		batch.Queue(s.sql, s.values(parameters)...).Query(scan)
	}
	return conn.SendBatch(ctx, &batch).Close()
}

func (s statement) values(parameters numbers) []any {
	values := make([]any, len(s.args))
	for i, a := range s.args {
		if values[i] = a.value; a.parameter != "" {
			values[i] = parameters[a.parameter]
		}
	}
	return values
}

// targets returns where Scan puts the columns of a result. field returns where a column belongs, or nil for one that
// the response does not need. A person would write the fields in the order of the columns, which costs the same.
func targets(columns []pgconn.FieldDescription, field func(name string) any) []any {
	all := make([]any, len(columns))
	for i, column := range columns {
		all[i] = field(column.Name)
	}
	return all
}

// filmField returns where a column of a film belongs.
func filmField(f *film, column string) any {
	switch column {
	case "film_id":
		return &f.FilmID
	case "title":
		return &f.Title
	case "description":
		return &f.Description
	case "release_year":
		return &f.ReleaseYear
	case "language":
		return &f.Language
	case "category":
		return &f.Category
	case "rating":
		return &f.Rating
	case "length":
		return &f.Length
	default:
		return filmTerm(f, column)
	}
}

// filmTerm is filmField for the terms of renting the film.
func filmTerm(f *film, column string) any {
	switch column {
	case "rental_rate":
		return &f.RentalRate
	case "rental_duration":
		return &f.RentalDuration
	case "replacement_cost":
		return &f.ReplacementCost
	case "special_features":
		return (*textArray)(&f.SpecialFeatures)
	case "streaming_available":
		return &f.StreamingAvailable
	default:
		return nil
	}
}
