package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// healthTimeout is less than the 5 s after which the container's health check is killed, so that its log has
	// the reason.
	healthTimeout = 4 * time.Second
	// maxReadiness is ample for the response of /readyz, in bytes.
	maxReadiness = 64 << 10
)

// health asks the server on HTTP_ADDR whether it is ready, and prints the response of /readyz. It returns an error if
// the server is not ready. The container, which has no other program, uses it as its health check.
func health(ctx context.Context, c config, args []string, stdout io.Writer) error {
	if len(args) > 0 {
		return fmt.Errorf("health takes no arguments, not %q", args)
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	// A host that is empty or unspecified, as in :8080, means this machine to Go's dialer too.
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.HTTPAddr+"/readyz", http.NoBody)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	var direct http.Transport // not the proxy of the environment
	response, err := direct.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxReadiness))
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	text := strings.TrimSpace(string(body))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("health: %s: %s", response.Status, text)
	}
	_, err = fmt.Fprintln(stdout, text)
	return err
}
