// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

// icmpKind is what an ICMP error means for a path.
type icmpKind struct {
	verdict Verdict
	// port is true for port unreachable, which depends on who says it.
	port bool
	name string
}

// Types of ICMP errors.
const (
	icmpUnreachable   = 3
	icmpTimeExceeded  = 11
	icmpParameter     = 12
	icmp6Unreachable  = 1
	icmp6TooBig       = 2
	icmp6TimeExceeded = 3
	icmp6Parameter    = 4
)

// icmpMeaning is the table for IPv4 (RFC 792, RFC 1122, RFC 1812).
func icmpMeaning(typ, code uint8) icmpKind {
	switch typ {
	case icmpUnreachable:
		return icmpUnreachableMeaning(code)
	case icmpTimeExceeded:
		return icmpKind{verdict: Unreachable, name: "time exceeded"}
	case icmpParameter:
		return icmpKind{verdict: ProtocolError, name: "parameter problem"}
	default:
		return icmpKind{verdict: Unreachable, name: "unknown type"}
	}
}

func icmpUnreachableMeaning(code uint8) icmpKind {
	switch code {
	case 0:
		return icmpKind{verdict: Unreachable, name: "net unreachable"}
	case 1:
		return icmpKind{verdict: Unreachable, name: "host unreachable"}
	case 2:
		return icmpKind{verdict: ProtocolUnreachable, name: "protocol unreachable"}
	case 3:
		return icmpKind{verdict: Rejected, port: true, name: "port unreachable"}
	case 4:
		return icmpKind{verdict: TooBig, name: "fragmentation needed"}
	case 5:
		return icmpKind{verdict: Unreachable, name: "source route failed"}
	case 6:
		return icmpKind{verdict: Unreachable, name: "net unknown"}
	case 7:
		return icmpKind{verdict: Unreachable, name: "host unknown"}
	case 8:
		return icmpKind{verdict: Unreachable, name: "source isolated"}
	case 9:
		return icmpKind{verdict: Rejected, name: "net prohibited"}
	case 10:
		return icmpKind{verdict: Rejected, name: "host prohibited"}
	case 11, 12:
		return icmpKind{verdict: Unreachable, name: "unreachable for this type of service"}
	case 13:
		return icmpKind{verdict: Rejected, name: "administratively prohibited"}
	case 14, 15:
		return icmpKind{verdict: Rejected, name: "precedence violation"}
	default:
		return icmpKind{verdict: Unreachable, name: "unreachable"}
	}
}

// icmpv6Meaning is the table for IPv6 (RFC 4443); its codes are not IPv4's.
func icmpv6Meaning(typ, code uint8) icmpKind {
	switch typ {
	case icmp6Unreachable:
		return icmpv6UnreachableMeaning(code)
	case icmp6TooBig:
		return icmpKind{verdict: TooBig, name: "packet too big"}
	case icmp6TimeExceeded:
		return icmpKind{verdict: Unreachable, name: "time exceeded"}
	case icmp6Parameter:
		// Unrecognized next header is how IPv6 says protocol unreachable.
		if code == 1 {
			return icmpKind{verdict: ProtocolUnreachable, name: "unrecognized next header"}
		}
		return icmpKind{verdict: ProtocolError, name: "parameter problem"}
	default:
		return icmpKind{verdict: Unreachable, name: "unknown type"}
	}
}

func icmpv6UnreachableMeaning(code uint8) icmpKind {
	switch code {
	case 0:
		return icmpKind{verdict: Unreachable, name: "no route"}
	case 1:
		return icmpKind{verdict: Rejected, name: "administratively prohibited"}
	case 2:
		return icmpKind{verdict: Unreachable, name: "beyond scope of source address"}
	case 3:
		return icmpKind{verdict: Unreachable, name: "address unreachable"}
	case 4:
		return icmpKind{verdict: Rejected, port: true, name: "port unreachable"}
	case 5:
		return icmpKind{verdict: Rejected, name: "source address failed policy"}
	case 6:
		return icmpKind{verdict: Rejected, name: "reject route"}
	default:
		return icmpKind{verdict: Unreachable, name: "unreachable"}
	}
}
