package main

import (
	"net"
	"strings"
	"testing"

	"example.com/pagila-api/store/pgtest"
)

// The health check finds the server at each form of HTTP_ADDR, and succeeds only if it is ready.
func TestHealth(t *testing.T) {
	t.Parallel()
	ready := serveProgram(t, environment(t, "DATABASE_URL="+pgtest.New(t)))
	unready := serveProgram(t, environment(t, "DATABASE_URL="+pgtest.Pristine(t)))
	for name, test := range map[string]struct {
		address string
		code    int
		want    string
	}{
		"ready":                {strings.TrimPrefix(ready.url, "http://"), 0, `"status":"ready"`},
		"on every interface":   {":" + port(t, ready), 0, `"status":"ready"`},
		"on every IPv4 one":    {"0.0.0.0:" + port(t, ready), 0, `"status":"ready"`},
		"without migrations":   {":" + port(t, unready), 1, `"code":"not_ready"`},
		"nobody listens there": {freeAddress(t), 1, "refused"},
	} {
		// Not in parallel: the servers have two minutes, which other tests may take until it is the turn of these.
		t.Run(name, func(t *testing.T) {
			// A proxy is for other addresses.
			env := environment(t, "HTTP_ADDR="+test.address, "HTTP_PROXY=http://127.0.0.1:1", "APP_ENV=production")
			cmd := program(t, env, "health")
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != test.code || !strings.Contains(string(out), test.want) {
				t.Errorf("exit status %d, %v, %s", code, err, out)
			}
		})
	}
}

// port returns the port of a server.
func port(t *testing.T, s *served) string {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return port
}
