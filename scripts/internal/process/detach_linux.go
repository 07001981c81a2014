package process

import (
	"os/exec"
	"syscall"
)

// Detach gives a child a process group of its own, so that Ctrl-C in a terminal reaches only the parent, which stops it
// in order; and lets the kernel end it where the parent is killed.
func Detach(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
}
