package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// change is a write of a subscription or a film.
type change struct {
	table, event string // what a trigger sees
	prepare      func(t *testing.T, s *store.Store, conn *pgx.Conn) (do func(*store.Store) error)
	done         string // SQL: whether it was made
}

func changes() map[string]change {
	return map[string]change{
		"subscribe": {"streaming_subscription", "INSERT", func(t *testing.T, _ *store.Store, _ *pgx.Conn) func(*store.Store) error {
			t.Helper()
			return func(s *store.Store) error {
				_, err := s.CreateSubscription(t.Context(), store.NewSubscription{CustomerID: 1, PlanName: "basic"})
				return err
			}
		}, `SELECT count(*) = 1 FROM streaming_subscription`},
		"cancel": {"streaming_subscription", "UPDATE", func(t *testing.T, _ *store.Store, conn *pgx.Conn) func(*store.Store) error {
			t.Helper()
			id := insertSubscription(t, conn, "basic", utcToday, `NULL`)
			return func(s *store.Store) error {
				_, err := s.CancelSubscription(t.Context(), 1, id)
				return err
			}
		}, `SELECT count(end_date) = 1 FROM streaming_subscription`},
		"update a film": {"film", "UPDATE", func(t *testing.T, s *store.Store, _ *pgx.Conn) func(*store.Store) error {
			t.Helper()
			version := readFilm(t, s, 1).Version
			return func(s *store.Store) error {
				_, err := s.UpdateFilm(t.Context(), 1, []string{version}, store.FilmUpdate{StreamingAvailable: true})
				return err
			}
		}, `SELECT count(*) = 1 FROM film WHERE streaming_available`},
	}
}

// addTrigger adds a trigger that the owner of the database could have added. timing is like "BEFORE".
func (c change) addTrigger(t *testing.T, conn *pgx.Conn, timing, deferred, body string) {
	t.Helper()
	kind := ""
	if deferred != "" {
		kind = "CONSTRAINT"
	}
	pgtest.Exec(t, conn.Exec, `CREATE FUNCTION owned() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+body+`; RETURN NULL; END $$;
		CREATE `+kind+` TRIGGER owned `+timing+` `+c.event+` ON `+c.table+` `+deferred+` FOR EACH ROW EXECUTE FUNCTION owned()`)
}

const atCommit = `DEFERRABLE INITIALLY DEFERRED`

// As for rentals, the store finds the outcome of a commit that was not confirmed, or says that it is unknown.
func TestLostCommitOfChanges(t *testing.T) {
	t.Parallel()
	for name, c := range changes() {
		for situation, tt := range map[string]struct {
			trigger string // runs at the commit
			forward bool   // whether the server gets the commit
			outcome store.Outcome
			made    bool
		}{
			"the server got it":         {``, true, store.NoWrite, true},
			"the server did not get it": {``, false, store.NothingWritten, false},
			"the session is terminated": {`PERFORM pg_terminate_backend(pg_backend_pid())`, true, store.NothingWritten, false},
			"still unknown in time":     {`LOOP BEGIN PERFORM pg_sleep(60); EXIT; EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP`, true, store.Unknown, false},
		} {
			t.Run(name+", "+situation, func(t *testing.T) {
				t.Parallel()
				address := pgtest.New(t)
				conn := pgtest.Connect(t, address)
				do := c.prepare(t, open(t, address), conn)
				if tt.trigger != "" {
					c.addTrigger(t, conn, "AFTER", atCommit, tt.trigger)
				}
				err := do(open(t, cutAtCommit(t, address, tt.forward)))
				var unavailable *store.UnavailableError
				if tt.made && err != nil || !tt.made && (!errors.As(err, &unavailable) || unavailable.Outcome != tt.outcome) {
					t.Errorf("got %v", err)
				}
				if made := pgtest.Value[bool](t, conn.QueryRow, c.done); made != tt.made {
					t.Errorf("made: %t, want %t", made, tt.made)
				}
			})
		}
	}
}

// A trigger that the owner of the database has added may refuse a change, or suppress it. Nothing is written then.
func TestRefusedChanges(t *testing.T) {
	t.Parallel()
	for name, c := range changes() {
		for timing, body := range map[string]string{
			"BEFORE":     `RAISE EXCEPTION 'no'`,
			"AFTER":      `RAISE EXCEPTION 'no'`,
			"suppressed": `RETURN NULL`,
			"at commit":  `RAISE EXCEPTION 'no'`,
		} {
			t.Run(name+", "+timing, func(t *testing.T) {
				t.Parallel()
				address := pgtest.New(t)
				s, conn := open(t, address), pgtest.Connect(t, address)
				do := c.prepare(t, s, conn)
				switch timing {
				case "suppressed":
					c.addTrigger(t, conn, "BEFORE", "", body)
				case "at commit":
					c.addTrigger(t, conn, "AFTER", atCommit, body)
				default:
					c.addTrigger(t, conn, timing, "", body)
				}
				var refused *store.RefusedError
				if err := do(s); !errors.As(err, &refused) {
					t.Errorf("got %v", err)
				}
				if pgtest.Value[bool](t, conn.QueryRow, c.done) {
					t.Error("it was written")
				}
				pgtest.Exec(t, conn.Exec, `DROP TRIGGER owned ON `+c.table)
				if err := do(s); err != nil || !pgtest.Value[bool](t, conn.QueryRow, c.done) {
					t.Errorf("without the trigger: %v", err)
				}
			})
		}
	}
}

// A change gives up if another session holds its row for too long. It is not made later.
func TestLockedChanges(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]string{
		"subscribe":     `customer WHERE customer_id = 1`,
		"cancel":        `streaming_subscription`,
		"update a film": `film WHERE film_id = 1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := changes()[name]
			address := pgtest.New(t)
			conn := pgtest.Connect(t, address)
			s, err := store.Open(pgtest.AsServer(t, address), store.Options{Timeout: 500 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			do := c.prepare(t, open(t, address), conn)
			tx, err := conn.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), `SELECT FROM `+row+` FOR UPDATE`); err != nil {
				t.Fatal(err)
			}
			var unavailable *store.UnavailableError
			if err := do(s); !errors.As(err, &unavailable) || unavailable.Outcome != store.NothingWritten {
				t.Errorf("got %v", err)
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if pgtest.Value[bool](t, conn.QueryRow, c.done) {
				t.Error("it was made later")
			}
		})
	}
}
