package main

import (
	"strings"
	"testing"

	"example.com/pagila-api/store/pgtest"
)

// grow multiplies the private database, and no other.
func TestGrow(t *testing.T) {
	t.Parallel()
	env := environment(t)
	for name, tt := range map[string]struct {
		env, want string
		args      []string
	}{
		"a database of somebody":   {env: "DATABASE_URL=" + pgtest.New(t), args: []string{"-times", "2"}, want: "unset DATABASE_URL"},
		"production":               {env: "APP_ENV=production", args: []string{"-times", "2"}, want: "APP_ENV is production"},
		"no number":                {env: "A=b", want: "how many times"},
		"too many":                 {env: "A=b", args: []string{"-times", "10001"}, want: "how many times"},
		"the private database":     {env: "A=b", args: []string{"-times", "2"}},
		"a mistake after a number": {env: "A=b", args: []string{"-times", "2", "films"}, want: "how many times"},
	} {
		out, err := program(t, append(env[:len(env):len(env)], tt.env), append([]string{"grow"}, tt.args...)...).CombinedOutput()
		if (err != nil) != (tt.want != "") || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %v, %s, want %q", name, err, out, tt.want)
		}
	}
	s := serveProgram(t, env)
	if out, err := program(t, env, "grow", "-times", "2").CombinedOutput(); err == nil || !strings.Contains(string(out), "stop it") {
		t.Errorf("beside a server: %v, %s", err, out)
	}
	if status, body := s.get(t, "/films?page_size=1"); status != 200 || body["total"] != 2000.0 {
		t.Errorf("%d, %v, want 2000 films", status, body)
	}
}
