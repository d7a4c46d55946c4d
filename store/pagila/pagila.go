// Package pagila finds the Pagila dataset and restores it.
//
// Pagila is a DVD rental shop, an example database for PostgreSQL. Its dump is not part of this
// project: it is read from a folder, from the user's cache or from its public repository. Where
// none of them has it, a built-in sample takes its place: the same tables, with made-up rows in the
// same proportions.
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

// The release in use. The commit and the checksums pin the two files of the dump.
const (
	version = "3.1.0"
	commit  = "fef9675714cfba1756df4719b5e36075a7ddf90e"
	// publicURL is where the files of the repository devrimgunduz/pagila are, at that commit.
	publicURL = "https://raw.githubusercontent.com/devrimgunduz/pagila/" + commit
)

// dumpFile is a file of the dump with its checksum.
type dumpFile struct{ name, sha256 string }

// dump is the files of the dump, in the order of restoring.
var dump = []dumpFile{
	{"pagila-schema.sql", "8ce358e4c8014087b85296694a0893887bd7a4190e3ce407f2721b86b98e5707"},
	{"pagila-data.sql", "fb81bec377687c83e11d2a24916ae28656d85550bf0ada798305bf7e2af9823b"},
}

// Options say where to look for the dataset.
type Options struct {
	// Dir is a folder with pagila-schema.sql and pagila-data.sql, or empty.
	Dir string
	// CacheDir is where a download is kept. If it is empty nothing is downloaded.
	CacheDir string
	// BaseURL is where the two files are downloaded from; empty is the public repository.
	BaseURL string
	// Timeout bounds the download; 0 is a minute.
	Timeout time.Duration
	// Progress is told what is being done, for a person who waits. It may be nil.
	Progress func(step string)
}

// Source is where the dataset comes from.
type Source struct {
	name     string
	origin   string // for people
	dir      string // of the dump; empty for the sample
	progress func(string)
}

// String names the dataset and its origin, for logs.
func (s Source) String() string {
	if s.origin == "" {
		return s.name
	}
	return fmt.Sprintf("%s (%s)", s.name, s.origin)
}

// Real tells whether the dataset is Pagila 3.1.0 itself, and neither the sample nor another dump.
func (s Source) Real() bool { return s.name == realName }

const (
	realName   = "pagila " + version
	customName = "pagila (custom)"
	sampleName = "sample"
)

// Sample is the built-in sample. progress may be nil.
func Sample(progress func(step string)) Source {
	if progress == nil {
		progress = func(string) {}
	}
	return Source{name: sampleName, progress: progress}
}

// Find looks for Pagila in o.Dir, if that is set, and nowhere else then; or else in the cache and in
// the public repository. Where it is not to be had, the source is the sample, and o.Progress is told
// why.
//
// A dump in o.Dir need not be the one that is pinned here; it is named custom then. A folder
// without the two files is an error.
func Find(ctx context.Context, o Options) (Source, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Dir != "" {
		return inFolder(o.Dir, o.Progress)
	}
	if o.CacheDir == "" {
		return Sample(o.Progress), nil
	}
	s := Source{
		name:     realName,
		origin:   "cache",
		dir:      filepath.Join(o.CacheDir, "pagila-"+version),
		progress: o.Progress,
	}
	cached, err := isPinned(s.dir)
	if cached {
		return s, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.Progress(fmt.Sprintf("the cache cannot be read: %v", err))
	}
	err = download(ctx, cmp.Or(o.BaseURL, publicURL), s.dir, o.Timeout, o.Progress)
	if ctx.Err() != nil {
		return Source{}, fmt.Errorf("download Pagila: %w", ctx.Err())
	}
	if err != nil {
		o.Progress(fmt.Sprintf("Pagila cannot be downloaded, so the built-in sample takes its place: %v", err))
		return Sample(o.Progress), nil
	}
	s.origin = "download"
	return s, nil
}

func inFolder(dir string, progress func(string)) (Source, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Source{}, fmt.Errorf("PAGILA_DIR: %w", err)
	}
	s := Source{name: customName, origin: "PAGILA_DIR " + dir, dir: dir, progress: progress}
	pinned, err := isPinned(dir)
	if err != nil {
		return Source{}, fmt.Errorf("PAGILA_DIR must be a folder with %s and %s: %w", dump[0].name, dump[1].name, err)
	}
	if pinned {
		s.name = realName
	}
	return s, nil
}

// isPinned tells whether the files in dir are the pinned ones.
func isPinned(dir string) (bool, error) {
	pinned := true
	for _, file := range dump {
		f, err := os.Open(filepath.Join(dir, file.name)) //nolint:gosec // the user chooses the folder
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
