package store

import "testing"

// However few connections there are, writes get one, and leave one to reads if there are two.
func TestTurnsOfWrites(t *testing.T) {
	t.Parallel()
	for connections, want := range map[int]int{1: 1, 2: 1, 3: 2, 4: 3, 8: 7, 16: 14} {
		s, err := Open("postgres://localhost/pagila", Options{MaxConns: connections})
		if err != nil {
			t.Fatal(err)
		}
		if got := cap(s.writes.turns); got != want {
			t.Errorf("of %d connections, writes may use %d, want %d", connections, got, want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
