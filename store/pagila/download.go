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
	// connectTimeout is short, because a person without a network waits for it before the sample is used.
	connectTimeout = 3 * time.Second
	// responseTimeout is for a network that accepts connections but returns no responses.
	responseTimeout = 10 * time.Second
	// downloadTimeout bounds the whole download. It is enough for 3 MB at 50 kB per second.
	downloadTimeout = time.Minute
	// maxFile bounds the size of a file in bytes. The larger one has 3 MB.
	maxFile = 32 << 20
)

// download downloads the files of the dump from base to dir and verifies their checksums. If it fails, dir
// does not change.
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

	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // the files are public
		return fmt.Errorf("cannot write to the cache directory %s: %w", filepath.Dir(dir), err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "download-")
	if err != nil {
		return fmt.Errorf("cannot write to the cache directory %s: %w", filepath.Dir(dir), err)
	}
	defer os.RemoveAll(temp)
	for _, file := range dump {
		progress("downloading " + file.name + " of Pagila " + version)
		if err := file.download(ctx, client, base, temp); err != nil {
			return err
		}
	}
	// Whatever the cache has in dir is not the pinned dump: Find has checked it.
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the old dump from the cache: %w", err)
	}
	if err := os.Rename(temp, dir); err != nil {
		if pinned, _ := isPinned(dir); pinned {
			return nil // another process was faster
		}
		return fmt.Errorf("write to the cache: %w", err)
	}
	return nil
}

// download downloads the file from base to dir and verifies its checksum.
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
