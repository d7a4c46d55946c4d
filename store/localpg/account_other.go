//go:build unix && !linux

package localpg

import "syscall"

// namespaces tells whether the system has user namespaces.
const namespaces = false

// heldDir is a path to the folder that a child process gets as its file 3. Only Linux has one.
const heldDir = ""

func namespaceAttributes() *syscall.SysProcAttr { return nil }
