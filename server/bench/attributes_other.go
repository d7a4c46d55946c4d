//go:build !linux

package main

import "syscall"

// childAttributes leave a child process in the group of this one, which Ctrl-C ends as a whole.
func childAttributes() *syscall.SysProcAttr { return nil }
