package binaries

import "context"

// FetchBuild is Fetch for a package whose archive has the given checksum.
func FetchBuild(ctx context.Context, integrity, dir string) (string, error) {
	return build{name: "test", integrity: integrity}.fetch(ctx, dir, func(string) {})
}
