package pagila

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	// connectTimeout is short: without a network a person waits for it before the sample.
	connectTimeout = 3 * time.Second
	// responseTimeout is for a network that takes connections and leads nowhere.
	responseTimeout = 10 * time.Second
	// downloadTimeout bounds the whole download: 3 MB at 50 kB a second.
	downloadTimeout = time.Minute
	// maxFile bounds a file, in bytes. The bigger one has 3 MB.
	maxFile = 32 << 20
)

// download puts the files of the dump at base into dir, both or none, if they are the pinned ones.
func download(ctx context.Context, base, dir string, timeout time.Duration, progress func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(timeout, downloadTimeout))
	defer cancel()
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout: connectTimeout,

		ResponseHeaderTimeout: responseTimeout,
		ForceAttemptHTTP2:     true,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}

	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // a public file is no secret
		return fmt.Errorf("the cache directory %s cannot be written to: %w", filepath.Dir(dir), err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "download-")
	if err != nil {
		return fmt.Errorf("the cache directory %s cannot be written to: %w", filepath.Dir(dir), err)
	}
	defer os.RemoveAll(temp)
	for _, file := range dump {
		progress("downloading " + file.name + " of Pagila " + version)
		if err := file.download(ctx, client, base, temp); err != nil {
			return err
		}
	}
	// What is in the cache under this name is not the pinned dump, or we would not be here.
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("replace what is in the cache: %w", err)
	}
	if err := os.Rename(temp, dir); err != nil {
		if pinned, _ := isPinned(dir); pinned {
			return nil // another process was faster
		}
		return fmt.Errorf("write to the cache: %w", err)
	}
	return nil
}

// download puts the file into dir if it is the pinned one.
func (f dumpFile) download(ctx context.Context, client *http.Client, base, dir string) error {
	content, err := get(ctx, client, base+"/"+f.name)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != f.sha256 {
		return fmt.Errorf("the SHA-256 of %s/%s is %x, want %s", base, f.name, sum, f.sha256)
	}
	if err := os.WriteFile(filepath.Join(dir, f.name), content, 0o600); err != nil {
		return fmt.Errorf("write to the cache: %w", err)
	}
	return nil
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("download %s: %s", url, response.Status)
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxFile))
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", url, err)
	}
	return content, nil
}
