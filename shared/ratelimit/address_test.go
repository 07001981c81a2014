package ratelimit

import (
	"strings"
	"testing"
)

func TestA25_SpoofedForwardedFor(t *testing.T) {
	t.Parallel()
	const connection = "198.51.100.7:4711"
	tests := []struct {
		name      string
		fromRight int
		remote    string
		forwarded []string
		want      string
	}{
		{"nobody is believed", 0, connection, []string{"192.0.2.1"}, "198.51.100.7/32"},
		{"one proxy", 1, connection, []string{"192.0.2.1"}, "192.0.2.1/32"},
		{"one proxy, spoofed", 1, connection, []string{"203.0.113.1, 203.0.113.2,192.0.2.1"}, "192.0.2.1/32"},
		{"one proxy, spoofed in a line of its own", 1, connection, []string{"203.0.113.1", "192.0.2.1"}, "192.0.2.1/32"},
		{"load balancer", 2, connection, []string{"192.0.2.1,198.18.0.1"}, "192.0.2.1/32"},
		{"load balancer, spoofed", 2, connection, []string{"203.0.113.1, 203.0.113.2", "192.0.2.1 , 198.18.0.1"}, "192.0.2.1/32"},
		{"load balancer, a line each", 2, connection, []string{"203.0.113.1", "192.0.2.1", "198.18.0.1"}, "192.0.2.1/32"},
		{"load balancer, empty entries", 2, connection, []string{",,,192.0.2.1,198.18.0.1"}, "192.0.2.1/32"},
		{"past the load balancer", 2, connection, []string{"203.0.113.1"}, "198.51.100.7/32"},
		{"no header", 2, connection, nil, "198.51.100.7/32"},
		{"empty header", 1, connection, []string{""}, "198.51.100.7/32"},
		{"no address", 1, connection, []string{"192.0.2.1, unknown"}, "198.51.100.7/32"},
		{"address and port", 1, connection, []string{"192.0.2.1:80"}, "198.51.100.7/32"},
		{"octal", 1, connection, []string{"0300.0.2.1"}, "198.51.100.7/32"},
		{"IPv6 counts by its network", 1, connection, []string{"2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::/64"},
		{"IPv6 in capitals", 1, connection, []string{"2001:0DB8:0001:0002::9"}, "2001:db8:1:2::/64"},
		{"IPv6 with a zone", 1, connection, []string{"fe80::1%spoofed"}, "fe80::/64"},
		{"IPv4 in IPv6", 1, connection, []string{"::ffff:192.0.2.1"}, "192.0.2.1/32"},
		{"IPv4 in IPv6 with a zone", 1, connection, []string{"::ffff:192.0.2.1%spoofed"}, "192.0.2.1/32"},
		{"connection over IPv6", 0, "[2001:db8:1:2::9]:4711", nil, "2001:db8:1:2::/64"},
		{"connection of IPv4 to a listener for both", 0, "[::ffff:192.0.2.1]:4711", nil, "192.0.2.1/32"},
		{"connection within the machine", 0, "@", []string{"203.0.113.1"}, "invalid Prefix"},
		{"a long header", 2, connection, []string{strings.Repeat("203.0.113.1,", 50_000) + "192.0.2.1,198.18.0.1"}, "192.0.2.1/32"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := Config{AddressFromRight: test.fromRight}.Client(test.remote, test.forwarded)
			if got.String() != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if key := Address(got); got.IsValid() && key != "address\x00"+test.want {
				t.Errorf("the key is %q", key)
			}
		})
	}
}
