package ratelimit

import (
	"net/netip"
	"strings"
)

// ipv6Bits are the bits of an IPv6 address that count: a single customer has a whole /64 to call from.
const ipv6Bits = 64

// Client returns whom a request counts for: its address, or for IPv6 its /64. The arguments are those of http.Request:
// RemoteAddr, and the values of X-Forwarded-For.
//
// Only the entry that AddressFromRight names is believed, since clients write whatever they like to the left of it. Where
// it is missing or no address, the request came another way, and the connection's own address counts.
func (c Config) Client(remoteAddr string, forwardedFor []string) netip.Prefix {
	if c.AddressFromRight > 0 {
		if entry, ok := fromRight(forwardedFor, c.AddressFromRight); ok {
			if address, err := netip.ParseAddr(strings.TrimSpace(entry)); err == nil {
				return prefixOf(address)
			}
		}
	}
	connection, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return netip.Prefix{} // not an IP connection: they all count as one
	}
	return prefixOf(connection.Addr())
}

// fromRight returns the nth entry from the end of a list that may be spread over several header lines.
func fromRight(lines []string, n int) (string, bool) {
	for i := len(lines) - 1; i >= 0; i-- {
		for line, more := lines[i], true; more; n-- {
			comma := strings.LastIndexByte(line, ',')
			if n == 1 {
				return line[comma+1:], true
			}
			more = comma >= 0
			line = line[:max(comma, 0)]
		}
	}
	return "", false
}

func prefixOf(address netip.Addr) netip.Prefix {
	address = address.Unmap() // an IPv4 client on a listener for both
	bits := address.BitLen()
	if address.Is6() {
		bits = ipv6Bits
	}
	prefix, _ := address.Prefix(bits) // the bits always fit; a zone is dropped
	return prefix
}
