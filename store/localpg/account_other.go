//go:build unix && !linux

package localpg

import "syscall"

// namespaces says whether the system has user namespaces.
const namespaces = false

// heldDir is a path to the directory that a child process gets as file descriptor 3. Only Linux has such a
// path.
const heldDir = ""

func namespaceAttributes() *syscall.SysProcAttr { return nil }
