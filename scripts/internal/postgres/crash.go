package postgres

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Kill ends the server and each of its processes by SIGKILL, as a machine that stops does: nothing is written any more,
// nothing is said to clients. The home stays held; Restart goes on with its data. Linux only: elsewhere the processes
// end by themselves a moment after their server.
func (s *Server) Kill() {
	backends := s.Backends()
	_ = s.cmd.Process.Kill() // it may have ended
	for _, pid := range backends {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.done
}

// Backends are the processes that the server has started: those of connections, and its own helpers.
func (s *Server) Backends() []int {
	pid := s.cmd.Process.Pid
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var pids []int
	for _, field := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// End stops the server as a signal does, in good order (SIGINT) or at once (SIGQUIT), and keeps the home held.
func (s *Server) End(signal syscall.Signal) {
	_ = s.cmd.Process.Signal(signal)
	<-s.done
}

// Restart starts the server again after Kill or End, on the port that it had, and returns when it answers.
func (s *Server) Restart(ctx context.Context) error {
	port := s.url.Port()
	return s.run(ctx, func(context.Context) (string, error) { return port, nil })
}
