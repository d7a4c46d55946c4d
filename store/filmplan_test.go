package store_test

import (
	"fmt"
	"strings"
	"testing"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// planOf returns the plan of a statement, as PostgreSQL keeps it or makes it for the arguments.
func planOf(t *testing.T, url string, kept bool, sql string, args []any) string {
	t.Helper()
	return explained(t, url, `EXPLAIN`, kept, sql, args)
}

// explained is planOf with the options of EXPLAIN.
func explained(t *testing.T, url, explain string, kept bool, sql string, args []any) string {
	t.Helper()
	values := make([]string, len(args))
	for i, arg := range args {
		text := strings.NewReplacer("[", "{", "]", "}").Replace(fmt.Sprint(arg))
		values[i] = "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	conn := pgtest.Connect(t, url)
	mode := "force_custom_plan"
	if kept {
		mode = "force_generic_plan"
	}
	pgtest.Exec(t, conn.Exec, `SET plan_cache_mode = `+mode+`; PREPARE page AS `+sql)
	rows, err := conn.Query(t.Context(), explain+` EXECUTE page(`+strings.Join(values, ", ")+`)`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// wantIndex checks that a plan uses an index, and reads no large table as a whole.
func wantIndex(t *testing.T, plan, what, index string) {
	t.Helper()
	for _, table := range []string{"film", "film_category", "film_actor", "inventory", "rental"} {
		if strings.Contains(plan, "Seq Scan on "+table+" ") {
			t.Errorf("%s reads the whole table %s:\n%s", what, table, plan)
		}
	}
	if !strings.Contains(plan, index) {
		t.Errorf("%s does not use %s:\n%s", what, index, plan)
	}
}

// A page by cursor walks Pagila's index of its order, and reads no whole table for a filter that an index
// serves. So its cost does not depend on the number of films.
func TestPagesUseIndexes(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	url := pgtest.New(t)
	pgtest.Grow(t, url, 30)
	s := open(t, url)
	yes := true
	for _, tt := range []struct {
		q     store.FilmQuery
		index string
	}{
		{store.FilmQuery{}, "film_pkey"},
		{store.FilmQuery{Paging: store.Paging{Order: "-film_id"}}, "film_pkey"},
		{store.FilmQuery{Paging: store.Paging{Order: "title"}}, "idx_title"},
		{store.FilmQuery{Paging: store.Paging{Order: "-title"}}, "idx_title"},
		{store.FilmQuery{Categories: []string{"Comedy"}}, "film_category_pkey"},
		{store.FilmQuery{Categories: []string{"Comedy"}, Paging: store.Paging{Order: "title"}}, "idx_title"},
		{store.FilmQuery{ActorIDs: []int32{1}}, "film_actor_pkey"},
		{store.FilmQuery{InStock: &yes}, "idx_store_id_film_id"},
		{store.FilmQuery{InStock: &yes, StoreID: 1}, "idx_store_id_film_id"},
		{store.FilmQuery{StoreID: 1}, "idx_store_id_film_id"},
		{store.FilmQuery{Search: `"boat"`}, "film_fulltext_idx"},
	} {
		tt.q.PageSize = 1
		page, err := s.Films(t.Context(), tt.q)
		if err != nil || page.Next == "" {
			t.Fatalf("%+v: %v", tt.q, err)
		}
		tt.q.Cursor, tt.q.PageSize = page.Next, 20
		sql, args, err := store.FilmsSQL(s, tt.q)
		if err != nil {
			t.Fatal(err)
		}
		for _, kept := range []bool{false, true} {
			wantIndex(t, planOf(t, url, kept, sql, args), fmt.Sprintf("%+v (kept plan: %t)", tt.q, kept), tt.index)
		}
	}
}
