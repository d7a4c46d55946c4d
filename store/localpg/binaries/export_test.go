package binaries

import "context"

// FetchBuild is Fetch for a package with that integrity.
func FetchBuild(ctx context.Context, integrity, dir string) (string, error) {
	return build{name: "test", integrity: integrity}.fetch(ctx, dir, func(string) {})
}
