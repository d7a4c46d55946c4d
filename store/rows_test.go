package store

import (
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
