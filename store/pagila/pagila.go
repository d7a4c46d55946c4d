// Package pagila finds the Pagila dataset and restores it into a database.
//
// Pagila is an example database for PostgreSQL, about a DVD rental business. Its dump is not part of this
// project. The package reads it from a directory, from the user's cache or from its public repository. If
// none of them has it, a built-in sample replaces it, which has the same tables and made-up rows in the same
// proportions.
package pagila

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// The release of Pagila. The commit and the checksums pin the two files of its dump.
const (
	version = "3.1.0"
	commit  = "fef9675714cfba1756df4719b5e36075a7ddf90e"
	// publicURL has the files of the repository devrimgunduz/pagila at the commit.
	publicURL = "https://raw.githubusercontent.com/devrimgunduz/pagila/" + commit
)

// dumpFile is a file of the dump and its checksum.
type dumpFile struct{ name, sha256 string }

// dump lists the files of the dump in the order in which they are restored.
var dump = []dumpFile{
	{"pagila-schema.sql", "8ce358e4c8014087b85296694a0893887bd7a4190e3ce407f2721b86b98e5707"},
	{"pagila-data.sql", "fb81bec377687c83e11d2a24916ae28656d85550bf0ada798305bf7e2af9823b"},
}

// Options say where to look for the dataset.
type Options struct {
	// Dir is a directory with pagila-schema.sql and pagila-data.sql, or empty.
	Dir string
	// CacheDir is the directory that keeps a download. If it is empty, nothing is downloaded.
	CacheDir string
	// BaseURL is the URL to download the two files from. The default is the public repository.
	BaseURL string
	// Timeout bounds the download. The default is one minute.
	Timeout time.Duration
	// Progress is called with each step, for a person who waits. It may be nil.
	Progress func(step string)
}

// Source is a dataset that can be restored.
type Source struct {
	name     string
	dir      string // the directory of the dump; empty for the sample
	progress func(string)
}

// String returns the name of the dataset, for people: "sample", or Pagila with its version.
func (s Source) String() string { return s.name }

// Pinned reports whether the dataset is the release of Pagila that this package pins, and not the sample or
// another dump.
func (s Source) Pinned() bool { return s.name == pinnedName }

// IsSample reports whether the dataset is the built-in sample.
func (s Source) IsSample() bool { return s.dir == "" }

const (
	pinnedName = "pagila " + version
	customName = "pagila (custom)"
	sampleName = "sample"
)

// Sample returns the built-in sample. progress may be nil.
func Sample(progress func(step string)) Source {
	if progress == nil {
		progress = func(string) {}
	}
	return Source{name: sampleName, progress: progress}
}

// Find looks for Pagila. If o.Dir is set, it looks only there. Otherwise it looks in the cache and downloads
// the dump from the public repository. If that fails, Find returns the sample and passes the reason to
// o.Progress.
//
// The dump in o.Dir may differ from the pinned one. Its name is then "pagila (custom)". A directory without
// the two files is an error.
func Find(ctx context.Context, o Options) (Source, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Dir != "" {
		return inDir(o.Dir, o.Progress)
	}
	if o.CacheDir == "" {
		return Sample(o.Progress), nil
	}
	s := Source{
		name:     pinnedName,
		dir:      filepath.Join(o.CacheDir, "pagila-"+version),
		progress: o.Progress,
	}
	cached, err := isPinned(s.dir)
	if cached {
		return s, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.Progress(fmt.Sprintf("cannot read the cache: %v", err))
	}
	err = download(ctx, cmp.Or(o.BaseURL, publicURL), s.dir, o.Timeout, o.Progress)
	if ctx.Err() != nil {
		return Source{}, fmt.Errorf("download Pagila: %w", ctx.Err())
	}
	if err != nil {
		o.Progress(fmt.Sprintf("cannot download Pagila, so the built-in sample is used instead: %v", err))
		return Sample(o.Progress), nil
	}
	return s, nil
}

// inDir returns the dump in a directory of the user.
func inDir(dir string, progress func(string)) (Source, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Source{}, fmt.Errorf("PAGILA_DIR: %w", err)
	}
	s := Source{name: customName, dir: dir, progress: progress}
	pinned, err := isPinned(dir)
	if err != nil {
		return Source{}, fmt.Errorf("PAGILA_DIR must be a directory with %s and %s: %w", dump[0].name, dump[1].name, err)
	}
	if pinned {
		s.name = pinnedName
	}
	return s, nil
}

// isPinned reports whether the files in dir are the pinned ones.
func isPinned(dir string) (bool, error) {
	pinned := true
	for _, file := range dump {
		f, err := os.Open(filepath.Join(dir, file.name)) //nolint:gosec // the user chooses the directory
		if err != nil {
			return false, err
		}
		hash := sha256.New()
		_, err = io.Copy(hash, f)
		_ = f.Close() // nothing was written
		if err != nil {
			return false, err
		}
		if hex.EncodeToString(hash.Sum(nil)) != file.sha256 {
			pinned = false
		}
	}
	return pinned, nil
}
