// Package machine describes the machine of a measurement.
package machine

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
)

// Describe returns the processor, the memory and the versions in one line, for a report. postgres is the version of
// PostgreSQL. What the machine does not tell is left out.
func Describe(postgres string) string {
	description := fmt.Sprintf("%d cores", runtime.NumCPU())
	if model := find("/proc/cpuinfo", `(?m)^model name\s*: (.+)$`); model != "" {
		description += " (" + model + ")"
	}
	if kilobytes, err := strconv.Atoi(find("/proc/meminfo", `(?m)^MemTotal:\s*(\d+)`)); err == nil {
		description += fmt.Sprintf(", %d GB of memory", kilobytes>>20)
	}
	return fmt.Sprintf("%s, %s/%s, %s, PostgreSQL %s",
		description, runtime.GOOS, runtime.GOARCH, runtime.Version(), postgres)
}

// find returns what the first group of a pattern matches in a file, or an empty string.
func find(file, pattern string) string {
	data, err := os.ReadFile(file) //nolint:gosec // the callers name files in /proc
	if err != nil {
		return ""
	}
	if match := regexp.MustCompile(pattern).FindSubmatch(data); match != nil {
		return string(match[1])
	}
	return ""
}
