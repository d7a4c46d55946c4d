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

// ErrNotFound means that the machine has no PostgreSQL server. Its text says what to do.
var ErrNotFound = errors.New(`there are no PostgreSQL server binaries. Install PostgreSQL 15, or any version from 13 on:
  Debian, Ubuntu  apt-get install postgresql
  Fedora, RHEL    dnf install postgresql-server
  Alpine          apk add postgresql15
  macOS           brew install postgresql@15
or set PG_BINDIR to the folder of initdb and postgres, or DATABASE_URL to a database that you have`)

// SupportedMajor is the major version of PostgreSQL that we are tested on. It is taken where there is a
// choice. The Atlas command knows none beyond it.
const SupportedMajor = 15

const (
	// oldestMajor is the first version with DROP DATABASE … WITH (FORCE).
	oldestMajor = 13
	// versionTimeout is far more than `postgres --version` takes.
	versionTimeout = 10 * time.Second
)

// wellKnown are the folders where packages put the server, as patterns.
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

// Find returns the folder of PostgreSQL's initdb and postgres: PG_BINDIR if it is set, or
// else the best of PATH, pg_config, the folders where packages put them, and the one that
// Fetch fills. The best is version 15, then the newest from 13 on. The error is
// ErrNotFound if there is none.
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

// candidates are the folders that may hold the server, in the order of preference.
func candidates(ctx context.Context) []string {
	var dirs []string
	if path, err := exec.LookPath("initdb"); err == nil {
		// postgres need not be linked beside it.
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

// MajorVersion is the major version of the server in binDir: 15 for PostgreSQL 15.18. It is an error
// if the server does not run.
func MajorVersion(ctx context.Context, binDir string) (int, error) {
	if _, err := os.Stat(filepath.Join(binDir, "initdb")); err != nil { //nolint:gosec // the user chooses the folder
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
		return 0, fmt.Errorf("%s does not say which version of PostgreSQL it is: %q", postgres, out)
	}
	return strconv.Atoi(string(match[1]))
}
