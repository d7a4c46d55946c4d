package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store/pgtest"
)

// A client that keeps cookies reads its own writes from every instance of the program, while the replicas replay
// nothing. A client without cookies reads the replicas, and a client of MCP reads from the primary.
func TestReadOwnWritesFromReplicas(t *testing.T) {
	t.Parallel()
	c := pgtest.NewCluster(t, 2)
	env := []string{
		"DATABASE_URL=" + c.PrimaryURL(t), "LOG_LEVEL=info", "REPLICA_MAX_LAG=50s",
		"DATABASE_REPLICA_URLS=" + c.Replicas[0].URL + "," + c.Replicas[1].URL,
	}
	instances := []*served{serveProgram(t, environment(t, env...)), serveProgram(t, environment(t, env...))}
	for _, p := range instances {
		waitForLog(t, p, "reads use the replica", 2)
	}
	for _, n := range c.Replicas {
		conn := pgtest.Connect(t, n.URL)
		pgtest.Exec(t, conn.Exec, `SELECT pg_wal_replay_pause()`)
		pgtest.WaitUntil(t, conn.QueryRow, `SELECT pg_get_wal_replay_pause_state() = 'paused'`)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	mine, other := &http.Client{Jar: jar}, &http.Client{}
	copyID := pgtest.ValueAt[int32](t, c.Primary.URL, `SELECT inventory_id FROM inventory i WHERE NOT EXISTS (
		SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND return_date IS NULL) LIMIT 1`)
	status, body := request(t, mine, http.MethodPost, instances[0].url+"/customers/1/rentals",
		fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, copyID))
	var rental gen.Rental
	if err := json.Unmarshal(body, &rental); status != http.StatusCreated || err != nil {
		t.Fatalf("%d %s, %v", status, body, err)
	}
	path := fmt.Sprintf("/customers/1/rentals/%d", rental.RentalID)
	for i, p := range instances {
		p := strings.Replace(p.url, "localhost", "127.0.0.1", 1) // cookies belong to a host, whatever its port
		for range 3 {
			if status, body := request(t, mine, http.MethodGet, p+path, ""); status != http.StatusOK {
				t.Errorf("instance %d, the client that wrote: %d %s", i+1, status, body)
			}
		}
		if status, body := request(t, other, http.MethodGet, p+path, ""); status != http.StatusNotFound {
			t.Errorf("instance %d, another client: %d %s", i+1, status, body)
		}
		call := fmt.Sprintf(`{"jsonrpc": "2.0", "id": 1, "method": "tools/call",
			"params": {"name": "getRental", "arguments": {"customer_id": 1, "rental_id": %d}}}`, rental.RentalID)
		if _, body := request(t, other, http.MethodPost, p+"/mcp", call); !bytes.Contains(body, []byte("structuredContent")) {
			t.Errorf("instance %d, a client of MCP: %s", i+1, body)
		}
	}
}

// waitForLog waits until the program's log has a text the given number of times.
func waitForLog(t *testing.T, p *served, text string, times int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); strings.Count(p.stderr.String(), text) < times; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not have %q: %s", text, p.stderr)
		}
	}
}

// request sends a request with the token.
func request(t *testing.T, client *http.Client, method, url, body string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer dvd_admin")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, got
}
