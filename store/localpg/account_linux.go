package localpg

import (
	"os/user"
	"strconv"
	"syscall"
)

// namespaces tells whether the system has user namespaces.
const namespaces = true

// heldDir is a path to the folder that a child process gets as its file 3. It passes by the
// folders above, which may be closed to the child's user as /root is.
const heldDir = "/proc/self/fd/3"

// namespaceAttributes start a process in a user namespace where root, who owns the files, has the
// number of nobody.
func namespaceAttributes() *syscall.SysProcAttr {
	nobody := 65534 // the kernel's own number for it
	if u, err := user.Lookup("nobody"); err == nil {
		if uid, err := strconv.Atoi(u.Uid); err == nil {
			nobody = uid
		}
	}
	mapping := []syscall.SysProcIDMap{{ContainerID: nobody, HostID: 0, Size: 1}}
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: mapping, GidMappings: mapping}
}
