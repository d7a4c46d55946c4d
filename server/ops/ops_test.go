package ops_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"example.com/pagila-api/server/internal/testlog"
	"example.com/pagila-api/server/ops"
)

// listener is the operations listener of a test.
type listener struct {
	url   string
	level *slog.LevelVar
	log   *testlog.Buffer
}

func start(t *testing.T) listener {
	t.Helper()
	return startAt(t, "127.0.0.1:0")
}

func startAt(t *testing.T, address string) listener {
	t.Helper()
	metrics, err := ops.NewMetrics(ops.Build{Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("http://127.0.0.1:%d", socket.Addr().(*net.TCPAddr).Port)
	l := listener{url: url, level: new(slog.LevelVar), log: &testlog.Buffer{}}
	s := ops.Start(socket, metrics, l.level, slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: l.level})))
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func (l listener) do(t *testing.T, method, path, body string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, l.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

// send is do with headers, and with another host if there is a header Host.
func (l listener) send(t *testing.T, method, path, body string, header map[string]string) (status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, l.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	r.Host = r.Header.Get("Host")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// A page of another site can change nothing through the browser of an operator.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	l := start(t)
	for name, header := range map[string]map[string]string{
		"cross-site":   {"Sec-Fetch-Site": "cross-site"},
		"same-site":    {"Sec-Fetch-Site": "same-site"},
		"other origin": {"Origin": "https://pages.example"},
	} {
		if status := l.send(t, http.MethodPut, "/log/level", "debug", header); status != http.StatusForbidden || l.level.Level() != slog.LevelInfo {
			t.Errorf("%s: got %d, the level is %s", name, status, l.level.Level())
		}
	}
	for _, site := range []string{"cross-site", "same-site"} {
		image := map[string]string{"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
		frame := map[string]string{"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
		link := map[string]string{"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
		for _, path := range []string{"/metrics", "/debug/pprof/heap?gc=1", "/log/level"} {
			for _, header := range []map[string]string{image, frame} {
				if status := l.send(t, http.MethodGet, path, "", header); status != http.StatusForbidden {
					t.Errorf("GET %s with %v: got %d", path, header, status)
				}
			}
			if status := l.send(t, http.MethodGet, path, "", link); status != http.StatusOK {
				t.Errorf("GET %s through a link: got %d", path, status)
			}
		}
		if status := l.send(t, http.MethodPut, "/log/level", "debug", link); status != http.StatusForbidden {
			t.Errorf("PUT from %s as a navigation: got %d", site, status)
		}
	}
	if status := l.send(t, http.MethodPut, "/log/level", "warn", map[string]string{"Origin": l.url, "Sec-Fetch-Site": "same-origin"}); status != http.StatusOK {
		t.Errorf("same origin: got %d", status)
	}
}

// On loopback, a page cannot read anything through a name that leads there.
func TestHosts(t *testing.T) {
	t.Parallel()
	loopback, everywhere := start(t), startAt(t, "0.0.0.0:0")
	for host, want := range map[string]int{
		"localhost": 200, "LocalHost:9091": 200, "127.0.0.1": 200, "127.0.0.1:9091": 200, "[::1]": 200, "[::1]:9091": 200,
		"pages.example": 421, "pages.example:9091": 421, "localhost.pages.example": 421, "127.0.0.1.pages.example:80": 421,
	} {
		for _, path := range []string{"/metrics", "/debug/pprof/cmdline", "/log/level"} {
			if status := loopback.send(t, http.MethodGet, path, "", map[string]string{"Host": host}); status != want {
				t.Errorf("%s %s: got %d, want %d", host, path, status, want)
			}
			if status := everywhere.send(t, http.MethodGet, path, "", map[string]string{"Host": host}); status != 200 {
				t.Errorf("%s %s, not on loopback: got %d", host, path, status)
			}
		}
	}
}

func TestLogLevel(t *testing.T) {
	t.Parallel()
	l := start(t)
	if status, text := l.do(t, http.MethodGet, "/log/level", ""); status != 200 || text != "info\n" {
		t.Errorf("got %d %q", status, text)
	}
	for _, name := range []string{"debug", "ERROR\n", "warn"} {
		want := strings.TrimSpace(strings.ToLower(name))
		status, text := l.do(t, http.MethodPut, "/log/level", name)
		if status != 200 || text != want+"\n" || !strings.EqualFold(l.level.Level().String(), want) {
			t.Errorf("%q: got %d %q, the level is %s", name, status, text, l.level.Level())
		}
		if !strings.Contains(l.log.String(), "to="+want) {
			t.Errorf("the log does not have the change to %s: %s", want, l.log)
		}
	}
	for _, name := range []string{"", "loud", "info+1", strings.Repeat("debug", 10)} {
		if status, text := l.do(t, http.MethodPut, "/log/level", name); status != 400 || !strings.Contains(text, "debug, info, warn or error") {
			t.Errorf("%q: got %d %q", name, status, text)
		}
	}
	if l.level.Level() != slog.LevelWarn {
		t.Errorf("the level is %s", l.level.Level())
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	l := start(t)
	for path, want := range map[string]string{
		"/metrics":                         `pagila_build_info{commit="",go_version="go`,
		"/debug/pprof/":                    "goroutine",
		"/debug/pprof/goroutine?debug=1":   "net/http",
		"/debug/pprof/cmdline":             "ops",
		"/debug/pprof/heap?debug=1":        "heap profile",
		"/debug/pprof/symbol":              "num_symbols",
		"/debug/pprof/profile?seconds=1":   "",
		"/debug/pprof/trace?seconds=0.001": "go 1",
	} {
		if status, text := l.do(t, http.MethodGet, path, ""); status != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: got %d, want %q in %.300q", path, status, want, text)
		}
	}
	for path, want := range map[string]int{"/": 404, "/films": 404, "/debug": 404} {
		if status, _ := l.do(t, http.MethodGet, path, ""); status != want {
			t.Errorf("%s: got %d, want %d", path, status, want)
		}
	}
	if status, _ := l.do(t, http.MethodPost, "/metrics", ""); status != 405 {
		t.Errorf("POST /metrics: got %d", status)
	}
}
