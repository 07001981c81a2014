package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Say tells a person what is being done.
func Say(out io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(out, "· "+format+"\n", args...) // progress is not worth failing for
}

// Run runs a program and shows its output only where it fails. When ctx ends, the program is asked to end, not killed:
// half an installation would be worse than a late one.
func Run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, LastLines(string(output)))
	}
	return nil
}

// AsRoot returns a command that runs as root: as it is, or through sudo.
func AsRoot(command ...string) []string {
	if os.Geteuid() == 0 {
		return command
	}
	return append([]string{"sudo", "-n"}, command...)
}

// CanInstall reports whether packages can be installed: as root, or through sudo where that asks for no password.
func CanInstall(ctx context.Context) bool {
	return os.Geteuid() == 0 || exec.CommandContext(ctx, "sudo", "-n", "true").Run() == nil
}

// AptUpdate fetches the distribution's lists of packages.
func AptUpdate(ctx context.Context, out io.Writer) error {
	Say(out, "updating the list of packages")
	command := AsRoot("apt-get", "-q", "update")
	return Run(ctx, command[0], command[1:]...)
}

// AptInstall installs packages of the distribution, asking nothing. It waits a few minutes for another installation.
func AptInstall(ctx context.Context, packages ...string) error {
	command := AsRoot(append([]string{
		"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "--no-install-recommends", "install",
	}, packages...)...)
	return Run(ctx, command[0], command[1:]...)
}
