package breaker

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"
)

// Reason says in a few words of our own why something out there did not answer: an error's text may hold what was sent,
// such as a password.
func Reason(err error) string {
	var (
		number    syscall.Errno
		timeout   net.Error
		name      *net.DNSError
		untrusted *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &untrusted):
		return "its certificate is not trusted"
	case errors.As(err, &name):
		return "its name is not found"
	case errors.As(err, &number):
		return number.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	default:
		return "its answer cannot be read, or the connection was closed"
	}
}
