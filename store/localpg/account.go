package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user that a server runs as. The zero value is the user of this process.
type account struct {
	// credential is the other user, if this process is root.
	credential *syscall.Credential
	// namespace says that root cannot switch to another user. The server then runs in a user namespace in
	// which root has another user id.
	namespace bool
}

// accountFor chooses the account for a new cluster, and makes it the owner of the empty directory.
func accountFor(dir string) (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr != nil || gidErr != nil {
			continue
		}
		a := account{credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		// In a user namespace without this user, even root cannot change the owner.
		if a.own(dir) == nil {
			return a, nil
		}
	}
	if !namespaces {
		return account{}, errors.New("PostgreSQL refuses to run as root, and this machine has neither a user postgres nor a user nobody to run it as")
	}
	return account{namespace: true}, nil
}

// accountOf returns the account that owns the directory of a cluster.
func accountOf(dir string) (account, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return account{}, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return account{}, fmt.Errorf("%s has no owner: %w", dir, fs.ErrInvalid)
	case int(stat.Uid) == os.Geteuid():
		return account{namespace: stat.Uid == 0}, nil
	case os.Geteuid() == 0:
		return account{credential: &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}}, nil
	default:
		return account{}, fmt.Errorf("%s belongs to another user (user id %d)", dir, stat.Uid)
	}
}

// own makes the account the owner of a directory that this process has created.
func (a account) own(dir string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(dir, int(a.credential.Uid), int(a.credential.Gid))
}

// attributes returns the attributes that start a process as the account.
func (a account) attributes() *syscall.SysProcAttr {
	if a.namespace {
		return namespaceAttributes()
	}
	return &syscall.SysProcAttr{Credential: a.credential}
}
