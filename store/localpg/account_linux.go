package localpg

import (
	"os/user"
	"strconv"
	"syscall"
)

// namespaces says whether the system has user namespaces.
const namespaces = true

// heldDir is a path to the directory that a child process gets as file descriptor 3. It avoids the parent
// directories, which may be inaccessible to the child's user as /root is.
const heldDir = "/proc/self/fd/3"

// namespaceAttributes returns the attributes that start a process in a user namespace. In it, root, who owns
// the files, has the user id of nobody.
func namespaceAttributes() *syscall.SysProcAttr {
	nobody := 65534 // the kernel's default
	if u, err := user.Lookup("nobody"); err == nil {
		if uid, err := strconv.Atoi(u.Uid); err == nil {
			nobody = uid
		}
	}
	mapping := []syscall.SysProcIDMap{{ContainerID: nobody, HostID: 0, Size: 1}}
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: mapping, GidMappings: mapping}
}
