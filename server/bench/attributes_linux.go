package main

import "syscall"

// childAttributes end a child process with this one, even if this one is killed.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
