package server_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"example.com/pagila-api/server"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()
	trusted := []string{"10.0.0.0/8", "192.0.2.1", "::1", "fd00::/8", "::ffff:172.16.0.0/108", "::ffff:198.51.100.7"}
	type lines = []string
	for name, tt := range map[string]struct {
		peer      string
		forwarded lines
		want      string // "" for no address
	}{
		"no proxy":                          {"203.0.113.5:1", nil, "203.0.113.5"},
		"a header of an untrusted client":   {"203.0.113.5:1", lines{"198.51.100.1"}, "203.0.113.5"},
		"a proxy without the header":        {"10.1.2.3:1", nil, "10.1.2.3"},
		"an address":                        {"10.1.2.3:1", lines{"203.0.113.9"}, "203.0.113.9"},
		"an address with a port":            {"10.1.2.3:1", lines{"203.0.113.9:51000"}, "203.0.113.9"},
		"an IPv6 address":                   {"10.1.2.3:1", lines{"2001:db8::9"}, "2001:db8::9"},
		"brackets":                          {"10.1.2.3:1", lines{"[2001:db8::9]"}, "2001:db8::9"},
		"brackets with a port":              {"10.1.2.3:1", lines{"[2001:db8::9]:443"}, "2001:db8::9"},
		"quotes":                            {"10.1.2.3:1", lines{`"[2001:db8::9]:443"`}, "2001:db8::9"},
		"quotes round IPv4":                 {"10.1.2.3:1", lines{`"203.0.113.9:1"`}, "203.0.113.9"},
		"a zone":                            {"10.1.2.3:1", lines{"fe80::9%eth0"}, "fe80::9"},
		"a zone in brackets":                {"10.1.2.3:1", lines{"[fe80::9%25eth0]:80"}, "fe80::9"},
		"a mapped address":                  {"10.1.2.3:1", lines{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"a mapped address with a port":      {"10.1.2.3:1", lines{"[::ffff:203.0.113.9]:80"}, "203.0.113.9"},
		"a mapped peer":                     {"[::ffff:10.1.2.3]:1", lines{"203.0.113.9"}, "203.0.113.9"},
		"a peer with a zone":                {"[fe80::1%lo]:1", lines{"203.0.113.9"}, "fe80::1"},
		"the loopback of IPv6":              {"[::1]:1", lines{"203.0.113.9"}, "203.0.113.9"},
		"a mapped network":                  {"172.17.0.1:1", lines{"203.0.113.9"}, "203.0.113.9"},
		"beside a mapped network":           {"172.32.0.1:1", lines{"203.0.113.9"}, "172.32.0.1"},
		"a mapped proxy":                    {"198.51.100.7:1", lines{"203.0.113.9"}, "203.0.113.9"},
		"the client's own entries":          {"10.1.2.3:1", lines{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		"two proxies":                       {"10.1.2.3:1", lines{"198.51.100.1, 203.0.113.9:7, [fd00::7]:7, 10.9.9.9"}, "203.0.113.9"},
		"proxies only":                      {"10.1.2.3:1", lines{"10.4.4.4, 10.5.5.5"}, "10.4.4.4"},
		"several lines":                     {"10.1.2.3:1", lines{"198.51.100.1", "203.0.113.9", "10.9.9.9"}, "203.0.113.9"},
		"several lines, several entries":    {"10.1.2.3:1", lines{"198.51.100.1,203.0.113.9", "10.9.9.9,10.8.8.8"}, "203.0.113.9"},
		"whitespace":                        {"10.1.2.3:1", lines{" \t203.0.113.9 \t, \t10.9.9.9\t "}, "203.0.113.9"},
		"no whitespace":                     {"10.1.2.3:1", lines{"203.0.113.9,10.9.9.9"}, "203.0.113.9"},
		"an empty header":                   {"10.1.2.3:1", lines{""}, "10.1.2.3"},
		"empty entries":                     {"10.1.2.3:1", lines{",203.0.113.9, ,,10.9.9.9,", ""}, "203.0.113.9"},
		"unknown":                           {"10.1.2.3:1", lines{"203.0.113.9, unknown"}, "10.1.2.3"},
		"unknown behind a proxy":            {"10.1.2.3:1", lines{"203.0.113.9, unknown, 10.9.9.9"}, "10.9.9.9"},
		"a name":                            {"10.1.2.3:1", lines{"203.0.113.9, _gazonk"}, "10.1.2.3"},
		"a host name":                       {"10.1.2.3:1", lines{"localhost"}, "10.1.2.3"},
		"too large a port":                  {"10.1.2.3:1", lines{"203.0.113.9:70000"}, "10.1.2.3"},
		"no port after the colon":           {"10.1.2.3:1", lines{"203.0.113.9:"}, "10.1.2.3"},
		"IPv4 in brackets":                  {"10.1.2.3:1", lines{"[203.0.113.9]"}, "10.1.2.3"},
		"half a bracket":                    {"10.1.2.3:1", lines{"[2001:db8::9"}, "10.1.2.3"},
		"half a quote":                      {"10.1.2.3:1", lines{`"203.0.113.9`}, "10.1.2.3"},
		"leading zeros":                     {"10.1.2.3:1", lines{"203.0.113.009"}, "10.1.2.3"},
		"a network":                         {"10.1.2.3:1", lines{"203.0.113.0/24"}, "10.1.2.3"},
		"a pair of Forwarded":               {"10.1.2.3:1", lines{"for=203.0.113.9"}, "10.1.2.3"},
		"a long entry":                      {"10.1.2.3:1", lines{"fe80::9%" + strings.Repeat("x", 30_000)}, "10.1.2.3"},
		"a long list of proxies":            {"10.1.2.3:1", lines{"203.0.113.9" + strings.Repeat(", 10.9.9.9", 3_000)}, "10.9.9.9"},
		"a long list of nothing":            {"10.1.2.3:1", lines{"203.0.113.9" + strings.Repeat(",", 30_000)}, "10.1.2.3"},
		"many lines":                        {"10.1.2.3:1", slices.Repeat(lines{"10.9.9.9"}, 3_000), "10.9.9.9"},
		"a Unix socket":                     {"@", lines{"203.0.113.9"}, ""},
		"a Unix socket without a name":      {"", lines{"203.0.113.9"}, ""},
		"an address that is like a trusted": {"192.0.2.10:1", lines{"203.0.113.9"}, "192.0.2.10"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{
				"X-Forwarded-For": tt.forwarded,
				"X-Real-Ip":       {"198.51.100.200"}, "Forwarded": {"for=198.51.100.200"},
			}}
			got, err := server.ClientOf(trusted, r)
			if err != nil {
				t.Fatal(err)
			}
			var want netip.Addr
			if tt.want != "" {
				want = netip.MustParseAddr(tt.want)
			}
			if got != want {
				t.Errorf("the client is %s, want %s", got, want)
			}
		})
	}
}

func TestParseProxy(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", " 192.0.2.1\t": "192.0.2.1/32", "192.0.2.77/24": "192.0.2.0/24", "::1": "::1/128",
		"::ffff:192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.0/120": "192.0.2.0/24", "::ffff:0:0/96": "0.0.0.0/0",
		"fe80::1%eth0": "fe80::1/128", "2001:db8::5/32": "2001:db8::/32", "::/0": "::/0", "0.0.0.0/0": "0.0.0.0/0",
	} {
		if got, err := server.ParseProxy(entry); err != nil || got.String() != want {
			t.Errorf("%q is %s, %v, want %s", entry, got, err, want)
		}
	}
	for _, entry := range []string{"", " ", "localhost", "192.0.2.1:80", "[::1]", "192.0.2.0/33", "192.0.2.1-9", "*", "unix:"} {
		if got, err := server.ParseProxy(entry); err == nil {
			t.Errorf("%q is %s, want an error", entry, got)
		}
	}
}

// Behind a proxy each client has its own count of calls, in whichever form the proxy writes the address. A
// client cannot change that by a header.
func TestRateLimitBehindProxy(t *testing.T) {
	t.Parallel()
	a := start(t, withLimits(server.Limits{PerMinute: 2}), func(d *server.Deps) { d.TrustedProxies = []string{"::1", "127.0.0.0/8"} })
	from := func(forwarded string, more ...string) *received {
		return a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`, append(more, "X-Forwarded-For", forwarded)...)
	}
	for i, forms := range [][]string{
		{"203.0.113.9:51000", "203.0.113.9:51001", "203.0.113.9"},
		{"[2001:db8::1]:443", "2001:db8::2", `"[2001:db8::3]"`},
		{"198.51.100.1, 203.0.113.8:9", "198.51.100.2, ::ffff:203.0.113.8", "203.0.113.8, 127.0.0.2"},
	} {
		from(forms[0]).want(t, 200)
		from(forms[1]).want(t, 200)
		rejected := from(forms[2])
		rejected.wantProblem(t, 429, "rate_limited")
		for _, header := range []string{
			"X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP", "X-Appengine-Remote-Addr", "Fly-Client-IP", "Forwarded", "X-Forwarded",
		} {
			from(forms[2], header, fmt.Sprintf("198.51.100.%d", 10+i)).wantProblem(t, 429, "rate_limited")
		}
	}
	// An entry that is not an address counts as the proxy itself, whatever the client writes.
	from("unknown, nonsense").want(t, 200)
	from("203.0.113.77, 203.0.113.78:x").want(t, 200)
	from("203.0.113.79, -", "X-Real-IP", "203.0.113.80").wantProblem(t, 429, "rate_limited")
}

func TestTrustedProxiesAreChecked(t *testing.T) {
	t.Parallel()
	if _, err := server.New(server.Deps{Contract: loadContract(t), TrustedProxies: []string{"192.0.2.0/24", "proxy.example"}}); err == nil || !strings.Contains(err.Error(), "proxy.example") {
		t.Errorf("got %v, want an error that names the entry", err)
	}
}
