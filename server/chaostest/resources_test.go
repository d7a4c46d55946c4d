package chaostest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// needProc skips a test that looks at the server in /proc, on systems that do not have it.
func needProc(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("it looks at the server in /proc, which this system does not have")
	}
}

// memory returns the resident memory of a process in MB.
func memory(t *testing.T, pid int) float64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kilobytes, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return float64(kilobytes) / 1000
		}
	}
	t.Fatalf("the status of process %d has no VmRSS", pid)
	return 0
}

// descriptors returns the number of open file descriptors of a process.
func descriptors(t *testing.T, pid int) int {
	t.Helper()
	found, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// logged is what a soak looks for in the log of a program.
type logged struct {
	goroutines int      // which the program writes when it gets SIGQUIT
	errors     []string // except that the database was away, of which there are many
}

func readLog(t *testing.T, path string) (found logged) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		switch line := lines.Bytes(); {
		case bytes.HasPrefix(line, []byte("goroutine ")):
			found.goroutines++
		case bytes.Contains(line, []byte("level=ERROR")) && !bytes.Contains(line, []byte("code=database_")):
			found.errors = append(found.errors, string(line))
		}
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
	return found
}
