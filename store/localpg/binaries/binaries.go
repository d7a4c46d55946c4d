// Package binaries finds the programs of a PostgreSQL server on the machine, or fetches a pinned build of
// them.
package binaries

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrNotFound says that the machine has no PostgreSQL server. Its text says what to do.
var ErrNotFound = errors.New(`there are no PostgreSQL server binaries. Install PostgreSQL 15, or any version from 13 on:
  Debian, Ubuntu  apt-get install postgresql
  Fedora, RHEL    dnf install postgresql-server
  Alpine          apk add postgresql15
  macOS           brew install postgresql@15
or set PG_BINDIR to the directory of initdb and postgres, or DATABASE_URL to an existing database`)

// SupportedMajor is the major version of PostgreSQL that this project is mainly tested on. Find prefers it.
// The Atlas command supports no later version.
const SupportedMajor = 15

const (
	// oldestMajor is the first version that has DROP DATABASE … WITH (FORCE).
	oldestMajor = 13
	// versionTimeout is far longer than `postgres --version` takes.
	versionTimeout = 10 * time.Second
)

// wellKnown are patterns of the directories in which packages install the server.
var wellKnown = []string{
	"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
	"/usr/pgsql-*/bin",          // Fedora, RHEL: PostgreSQL's own packages
	"/usr/libexec/postgresql*",  // Alpine
	"/usr/lib/postgresql*/bin",  // openSUSE
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin", // Homebrew on Intel
	"/opt/local/lib/postgresql*/bin",  // MacPorts
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// Find returns the directory of PostgreSQL's initdb and postgres. It is PG_BINDIR if that is set. Otherwise
// Find looks in PATH, asks pg_config, and looks in the directories of well-known packages and of Fetch. It
// prefers version 15, and then the newest version from 13 on. The error is ErrNotFound if there is none.
func Find(ctx context.Context) (string, error) {
	if dir := os.Getenv("PG_BINDIR"); dir != "" {
		if _, err := MajorVersion(ctx, dir); err != nil {
			return "", fmt.Errorf("PG_BINDIR: %w", err)
		}
		return dir, nil
	}
	best, bestMajor := "", 0
	for _, dir := range candidates(ctx) {
		major, err := MajorVersion(ctx, dir)
		if err != nil || major < oldestMajor {
			continue
		}
		if major == SupportedMajor {
			return dir, nil
		}
		if major > bestMajor {
			best, bestMajor = dir, major
		}
	}
	if best == "" {
		return "", ErrNotFound
	}
	return best, nil
}

// candidates returns the directories that may contain the server, in the order of preference.
func candidates(ctx context.Context) []string {
	var dirs []string
	if path, err := exec.LookPath("initdb"); err == nil {
		// A package may link initdb into PATH without postgres.
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range wellKnown {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			panic(err) // the patterns are constants
		}
		dirs = append(dirs, matches...)
	}
	if dir, err := fetchedDir(release15); err == nil {
		dirs = append(dirs, filepath.Join(dir, "bin"))
	}
	return dirs
}

// versionRE finds the major version in "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
var versionRE = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// MajorVersion returns the major version of the server in binDir, such as 15 for PostgreSQL 15.18. It is an
// error if the server's program does not run.
func MajorVersion(ctx context.Context, binDir string) (int, error) {
	if _, err := os.Stat(filepath.Join(binDir, "initdb")); err != nil { //nolint:gosec // the user chooses the directory
		return 0, fmt.Errorf("look for PostgreSQL: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	postgres := filepath.Join(binDir, "postgres")
	out, err := exec.CommandContext(ctx, postgres, "--version").Output() //nolint:gosec // PostgreSQL's
	if err != nil {
		return 0, fmt.Errorf("ask %s for its version: %w", postgres, err)
	}
	match := versionRE.FindSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("%s does not report a PostgreSQL version: %q", postgres, out)
	}
	return strconv.Atoi(string(match[1]))
}
