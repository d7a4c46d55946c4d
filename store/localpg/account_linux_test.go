package localpg_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"example.com/pagila-api/store/pgtest"
)

// A server runs under each kind of user that a machine or a container may have.
func TestAccounts(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become other users")
	}
	onlyRoot := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
	const nobody = 65534
	tests := []struct {
		name  string
		attr  *syscall.SysProcAttr
		owner int // of the directory
	}{
		{"an ordinary user", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}, nobody},
		{"root without other users", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: onlyRoot, GidMappings: onlyRoot}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.attr.Cloneflags != 0 {
				probe := exec.CommandContext(testContext(t), "/bin/true")
				probe.SysProcAttr = test.attr
				if err := probe.Run(); err != nil {
					t.Skipf("there are no user namespaces here: %v", err)
				}
			}
			parent := filepath.Dir(newDir(t))
			if err := os.Chown(parent, test.owner, test.owner); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(parent, "pg")
			for range 2 { // the second time on the data of the first
				h := startHolder(t, dir, test.attr)
				pgtest.ValueAt[string](t, h.url, "SELECT 'answers'")
				if uid := ownerOf(t, filepath.Join(dir, "data")).Uid; int(uid) != test.owner {
					t.Errorf("user %d owns the data, want %d", uid, test.owner)
				}
				h.stdin.Close()
				if err := h.cmd.Wait(); err != nil {
					t.Errorf("the other process: %v", err)
				}
			}
		})
	}
}
