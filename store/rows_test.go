package store

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store/pgtest"
)

// PostgreSQL itself writes the arrays.
func TestElements(t *testing.T) {
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
		if got := elements(*text); !slices.Equal(got, tt.want) || got == nil {
			t.Errorf("elements(%s) = %q, want %q", *text, got, tt.want)
		}
	}
	for _, text := range []string{"", "a", "{", "{a", `{"`, `{"a`, `{"a\\`, `{"\"`, `}{`, "a{b"} { // a column may not be an array
		elements(text)
	}
}

func TestScanIntegers(t *testing.T) {
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
	}
	query := func(dest any, statement string) error {
		rows, err := conn.Query(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
		return scan(s.reads.DB, conn.TypeMap(), rows, dest)
	}
	var got []row
	if err := query(&got, `SELECT * FROM (VALUES
		('-32768'::smallint, '-2147483648'::integer, '-9223372036854775808'::bigint, -1, NULL::integer),
		(32767, 2147483647, 9223372036854775807, 258, -2),
		(NULL, NULL, NULL, NULL, 0)) AS t (small, medium, large, wide, known)`); err != nil {
		t.Fatal(err)
	}
	want := []row{
		{math.MinInt16, math.MinInt32, math.MinInt64, -1, nil},
		{math.MaxInt16, math.MaxInt32, math.MaxInt64, 258, new(int32(-2))},
		{Known: new(int32(0))},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
	if err := query(&got, `SELECT 2147483648::bigint AS medium`); err == nil {
		t.Error("an integer that is too large for its field was read")
	}
}
