package postgres

import (
	"os"
	"os/exec"
	"syscall"
)

// stopSignals end a server: in good order (fast shutdown), at once (immediate), by force.
var stopSignals = []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL}

// apply makes a command run as the account.
func (a *account) apply(cmd *exec.Cmd) {
	if a == nil {
		return
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: a.uid, Gid: a.gid}}
}
