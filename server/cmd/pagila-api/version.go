package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"example.com/pagila-api/api"
)

// printVersion prints the version of the contract, which is that of the program and of the SDKs, and what
// the program was built from.
func printVersion(ctx context.Context, stdout io.Writer) error {
	contract, err := api.Load(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "pagila-api %s (commit %s, %s)\n", contract.Info.Version, commit(), runtime.Version())
	return err
}

// builtFrom is the commit that the program was built from, for builds without a repository, such as that of the
// container image. The linker sets it.
var builtFrom = "unknown"

// commit is the commit that the program was built from, if the build recorded it.
func commit() string {
	revision, modified := builtFrom, ""
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return revision
	}
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			revision = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			modified = ", modified"
		}
	}
	return revision + modified
}
