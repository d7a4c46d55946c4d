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

// account is the user a server runs as. Its zero value is the user who runs this process.
type account struct {
	// credential is the other user, if this process is root.
	credential *syscall.Credential
	// namespace is for root who may not become another user: the server runs in a user namespace
	// where root has another number.
	namespace bool
}

// accountFor chooses who gets to own the new, empty folder, and makes him the owner.
func accountFor(folder string) (account, error) {
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
		// This fails inside a user namespace that has no such user, even for root.
		if a.own(folder) == nil {
			return a, nil
		}
	}
	if !namespaces {
		return account{}, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
	}
	return account{namespace: true}, nil
}

// accountOf is the account that owns the folder of a cluster.
func accountOf(folder string) (account, error) {
	info, err := os.Stat(folder)
	if err != nil {
		return account{}, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return account{}, fmt.Errorf("%s has no owner: %w", folder, fs.ErrInvalid)
	case int(stat.Uid) == os.Geteuid():
		return account{namespace: stat.Uid == 0}, nil
	case os.Geteuid() == 0:
		return account{credential: &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}}, nil
	default:
		return account{}, fmt.Errorf("%s belongs to another user (number %d)", folder, stat.Uid)
	}
}

// own makes the account the owner of a folder that this process has made.
func (a account) own(folder string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(folder, int(a.credential.Uid), int(a.credential.Gid))
}

// attributes start a process as the account.
func (a account) attributes() *syscall.SysProcAttr {
	if a.namespace {
		return namespaceAttributes()
	}
	return &syscall.SysProcAttr{Credential: a.credential}
}
