package store

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store/pgtest"
)

// PostgreSQL itself writes the arrays.
func TestParseArray(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, tt := range []struct {
		array string
		want  []string
	}{
		{`ARRAY['Trailers', 'Deleted Scenes']`, []string{"Trailers", "Deleted Scenes"}},
		{`ARRAY[]::text[]`, []string{}},
		{`NULL::text[]`, []string{}},
		{`ARRAY[NULL, 'a', NULL]`, []string{"a"}},
		{`ARRAY['NULL', 'null', '']`, []string{"NULL", "null", ""}},
		{`ARRAY['a"b', 'c\d', '"', '\', '\"\']`, []string{`a"b`, `c\d`, `"`, `\`, `\"\`}},
		{`ARRAY['{', '}', ',', 'a,b', ' ']`, []string{"{", "}", ",", "a,b", " "}},
		{`ARRAY[['a', 'b'], ['c', NULL]]`, []string{"a", "b", "c"}},
		{`'[0:1]={a,b}'::text[]`, []string{"a", "b"}},
		{`'[-1:0][2:2]={{a},{"b=}"}}'::text[]`, []string{"a", "b=}"}},
		{`ARRAY['é"ü', E'line\nbreak', '日本']`, []string{`é"ü`, "line\nbreak", "日本"}},
	} {
		var text *string
		if err := conn.QueryRow(t.Context(), `SELECT (`+tt.array+`)::text`).Scan(&text); err != nil {
			t.Fatalf("%s: %v", tt.array, err)
		}
		if text == nil {
			text = new("")
		}
		if got := parseArray(*text); !slices.Equal(got, tt.want) || got == nil {
			t.Errorf("parseArray(%s) = %q, want %q", *text, got, tt.want)
		}
	}
	for _, text := range []string{"", "a", "{", "{a", `{"`, `{"a`, `{"a\\`, `{"\"`, `}{`, "a{b"} { // a column may not be an array
		parseArray(text)
	}
}

func TestScan(t *testing.T) {
	url := pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	s, err := Open(url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	type row struct {
		Small, Medium int32
		Large         int64
		Wide          int64 // of a smaller type
		Known         *int32
		Sure          bool
		Maybe         *bool
		Name          string
	}
	tests := []struct {
		statement string
		want      []row // nil: it cannot be read
	}{
		{`SELECT false AS sure`, []row{{}}},
		{
			`SELECT * FROM (VALUES
				('-32768'::smallint, '-2147483648'::integer, '-9223372036854775808'::bigint, -1, NULL::integer),
				(32767, 2147483647, 9223372036854775807, 258, -2),
				(NULL, NULL, NULL, NULL, 0)) AS t (small, medium, large, wide, known)`,
			[]row{
				{Small: math.MinInt16, Medium: math.MinInt32, Large: math.MinInt64, Wide: -1},
				{Small: math.MaxInt16, Medium: math.MaxInt32, Large: math.MaxInt64, Wide: 258, Known: new(int32(-2))},
				{Known: new(int32(0))},
			},
		},
		{`SELECT 1::smallint AS wide, 2::integer AS known`, []row{{Wide: 1, Known: new(int32(2))}}},
		{`SELECT 3::smallint AS known, 4::integer AS wide`, []row{{Wide: 4, Known: new(int32(3))}}},
		{`SELECT 5::integer AS known, 6::bigint AS wide`, []row{{Wide: 6, Known: new(int32(5))}}},
		{`SELECT 7::integer AS known, 'a'::text AS name`, []row{{Known: new(int32(7)), Name: "a"}}},
		{`SELECT 'b'::text AS name, 8::integer AS known`, []row{{Known: new(int32(8)), Name: "b"}}},
		{`SELECT 9::integer AS known, 10::integer AS unknown`, nil},
		{`SELECT 11::integer AS known`, []row{{Known: new(int32(11))}}},
		{`SELECT 12::integer AS medium`, []row{{Medium: 12}}},
		{`SELECT 2147483648::bigint AS medium`, nil},
		{`SELECT true AS sure, true AS maybe UNION ALL SELECT false, false UNION ALL SELECT NULL, NULL`,
			[]row{{Sure: true, Maybe: new(true)}, {Maybe: new(false)}, {}}},
		{`SELECT true AS sure`, []row{{Sure: true}}}, // as the first one, which another mode reads next
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		for _, tt := range tests { // the scanner of each is that of the one before, unless the race detector drops it
			rows, err := conn.Query(t.Context(), tt.statement, mode)
			if err != nil {
				t.Fatal(err)
			}
			var got []row
			if err := scan(s.reads.DB, conn.TypeMap(), rows, &got); (err != nil) != (tt.want == nil) {
				t.Errorf("%s, %s: the error is %v", mode, tt.statement, err)
			} else if err == nil && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%s, %s: read %+v, want %+v", mode, tt.statement, got, tt.want)
			}
		}
	}
}

// Arrays with the same hash replace each other, and each is still read correctly.
func TestElements(t *testing.T) {
	texts := []string{"", "{}", "{NULL}", "{Trailers}", "{" + strings.Repeat("x", maxKnownArray-2) + "}", "{" + strings.Repeat("x", maxKnownArray-1) + "}"}
	for i := range 3 * len(knownArrays) {
		texts = append(texts, fmt.Sprintf(`{a%d,"b c"}`, i))
	}
	var received []byte // pgx uses its memory again for the next row
	for _, text := range texts {
		for range 2 {
			received = append(received[:0], text...)
			got, want := elements(received), parseArray(text)
			clear(received)
			if !slices.Equal(got, want) || got == nil {
				t.Errorf("elements(%s) = %q, want %q", text, got, want)
			}
		}
	}
	array := []byte("{Trailers,Commentaries}")
	if n := testing.AllocsPerRun(100, func() { elements(array) }); n != 0 {
		t.Errorf("an array that is known takes %v allocations", n)
	}
}
