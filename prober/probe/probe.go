// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package probe holds one file for each kind of probe. A probe opens fresh
// sockets, makes one exchange with one address, and says what it saw. It
// knows neither Kubernetes nor metrics nor schedules.
package probe

import (
	"context"
	"crypto/x509"
	"net/netip"
	"time"
)

// Kind names a kind of probe; the values are those of the API's ProbeKind.
type Kind string

// The kinds of probes.
const (
	MeshTCP  Kind = "MeshTCP"
	MeshUDP  Kind = "MeshUDP"
	MeshICMP Kind = "MeshICMP"
	TCP      Kind = "TCP"
	HTTP     Kind = "HTTP"
	TLS      Kind = "TLS"
	GRPC     Kind = "GRPC"
	DNS      Kind = "DNS"

	TCPHalfOpen Kind = "TCPHalfOpen"
	UDP         Kind = "UDP"
	ICMP        Kind = "ICMP"
	MTU         Kind = "MTU"
	Tunnel      Kind = "Tunnel"
	IPIP        Kind = "IPIP"
)

// Kinds is the table of all kinds: what makes one probe of a kind and, where
// there is such a thing, what makes many without a goroutine for each.
func Kinds() map[Kind]Method {
	return map[Kind]Method{
		MeshTCP:  {Probe: probeMeshTCP},
		MeshUDP:  {Probe: probeMeshUDP},
		MeshICMP: {Probe: probeMeshICMP},
		TCP:      {Probe: probeTCP, NewBatch: newTCPBatch},
		HTTP:     {Probe: probeHTTP},
		TLS:      {Probe: probeTLS},
		GRPC:     {Probe: probeGRPC},
		DNS:      {Probe: probeDNS},

		TCPHalfOpen: {Probe: probeTCPHalfOpen, NewBatch: newHalfOpenBatch},
		UDP:         {Probe: probeUDP},
		ICMP:        {Probe: probeICMP},
		MTU:         {Probe: probeMTU},
		Tunnel:      {Probe: probeTunnel},
		IPIP:        {Probe: probeIPIP},
	}
}

// Method is how probes of one kind are made.
type Method struct {
	// Probe makes one.
	Probe Func
	// NewBatch returns what makes many; nil where each takes Probe. What it
	// returns sees what Probe sees; it only costs less.
	NewBatch func() (Batch, error)
}

// Func makes one probe and returns what it saw. It returns no later than
// Target.Timeout plus the time it takes to be woken, or soon after ctx ends;
// then the verdict is LocalError. It never panics on what the network sends.
type Func func(ctx context.Context, t Target) Result

// Batch makes many probes of one kind. It needs no closing: while none is
// under way it has no goroutine.
type Batch interface {
	// Start begins probes and does not wait for what the network takes to
	// answer. It is called from one goroutine at a time, and never by a Done.
	Start(starts []Start)
}

// Start is one probe for a Batch to make.
type Start struct {
	// Ctx ends the probe as it ends one of a Func.
	Ctx context.Context
	// Target of the probe.
	Target Target
	// Done is called once, by Start or later by another goroutine, when a
	// Func would return. It must not block: others wait behind it. The phases
	// of the Result are its own only until it returns.
	Done func(Result)
}

// Target is what one probe aims at. Only the fields of its kind are read.
type Target struct {
	// Entry is the network namespace that the probe's sockets are made in; nil
	// for the prober's own.
	Entry Entry
	// Source address to bind the sockets to; the zero value leaves it to the
	// kernel. An address that cannot be bound means the wrong namespace.
	Source netip.Addr
	// Addr to dial: one address, never a name. The port is ignored for ICMP,
	// MTU and Tunnel; all of it for DNS, and where Host is set.
	Addr netip.AddrPort
	// Host is a name to dial instead of Addr; its zero value is none. Mesh
	// kinds do not read it.
	Host HostName
	// Timeout of the whole exchange, greater than zero.
	Timeout time.Duration
	// SilenceDenies makes silence Dropped instead of Inconclusive: only where
	// something else proves that the target answers; kind UDP.
	SilenceDenies bool
	// EchoUID is the pod UID the echo server must answer with; mesh kinds
	// over TCP and UDP.
	EchoUID string
	// HTTP request; kind HTTP.
	HTTP HTTPRequest
	// GRPC question; kind GRPC.
	GRPC GRPCQuestion
	// TLS of the connection; nil for none, and for the kind TLS the zero value.
	// Probes share it and change nothing.
	TLS *TLSClient
	// DNS question; kind DNS.
	DNS DNSQuestion
	// Size of the large packet in bytes with its IP header: that of the link it
	// leaves by; kind MTU.
	Size int
	// Tunnel that leads to Addr; kinds Tunnel and MTU.
	Tunnel TunnelEnd
}

// TunnelEnd is where a VXLAN tunnel ends, outside of the tunnel. Its zero
// value is a tunnel of any other kind, or one of which no more is known.
type TunnelEnd struct {
	// Endpoint is the UDP address of the peer's end; without the port for kind
	// MTU.
	Endpoint netip.AddrPort
	// Local is the address of the own end; the zero value leaves it to the
	// kernel.
	Local netip.Addr
	// VNI of the tunnel.
	VNI uint32
	// Size in bytes that a packet of the target's Size has outside of the tunnel,
	// with all headers; kind MTU.
	Size int
}

// Entry is a network namespace that sockets can be made in.
type Entry interface {
	// Do runs f on a thread that is in the namespace, and returns f's error. f
	// makes sockets and does not wait for the network: what it made stays in
	// the namespace and is used from anywhere.
	Do(f func() error) error
	// ResolvConf returns the content of the resolv.conf that programs in there
	// read; it is not to be shown to anybody.
	ResolvConf() ([]byte, error)
}

// HostName is a name to resolve in each probe by the source's resolv.conf.
type HostName struct {
	// Name to resolve.
	Name string
	// Port to dial.
	Port uint16
}

// TLSClient says how the certificate of a server is verified.
type TLSClient struct {
	// ServerName that it must be for, a domain name or an address; empty means
	// the host name, else the address dialled.
	ServerName string
	// Roots are the authorities to trust; nil means the system's.
	Roots *x509.CertPool
	// SkipVerify takes any certificate.
	SkipVerify bool
}

// GRPCQuestion is a question by the standard gRPC health protocol.
type GRPCQuestion struct {
	// Service to ask about; empty for the server as a whole.
	Service string
}

// HTTPRequest is an HTTP/1.1 request.
type HTTPRequest struct {
	// Method is GET or HEAD.
	Method string
	// Path with an optional query; begins with a slash.
	Path string
	// Host header; empty means the address dialled.
	Host string
	// ExpectedStatuses that are good; empty means 200 to 399.
	ExpectedStatuses []int32
}

// DNSQuestion is a question to the resolvers of a resolv.conf.
type DNSQuestion struct {
	// Name to ask for; without a trailing dot the search list applies. For PTR
	// an address may stand for its name.
	Name string
	// Type is "A", "AAAA", "CNAME", "SRV", "PTR", "TXT", "NS" or "MX".
	Type string
	// Answers that must be among those that come; empty if any will do.
	Answers []string
	// Transport is "UDP" or "TCP".
	Transport string
	// Server to ask instead of those of the resolv.conf, whose search list still
	// applies; the zero value asks those.
	Server netip.AddrPort
	// ResolvConf is the path of the file to read, /etc/resolv.conf if empty. An
	// Entry has its own, whatever this says.
	ResolvConf string
}

// Result is what one probe saw.
type Result struct {
	// Verdict says it in one word.
	Verdict Verdict
	// Latency of the whole exchange.
	Latency time.Duration
	// Phases of the exchange in their order, such as connect and exchange.
	Phases []Phase
	// Offender is who sent the ICMP error, if anybody did.
	Offender netip.Addr
	// Reason why the verdict says nothing, in the API's words, such as
	// HostNotPermitted; only where the verdict alone does not tell it.
	Reason string
	// Evidence in one line of at most 256 printable bytes: what was seen,
	// never what the target's application sent.
	Evidence string
	// NotAfter is when the server's certificate ends, or ended; zero where none
	// came, or one that could be anybody's.
	NotAfter time.Time
	// Queries is how many names of the search list a lookup asked for until it
	// had its answer; zero for other kinds, and where it had none.
	Queries int
	// Late is by how much the probe overslept its own deadline. The caller
	// judges whether the probe was measured at all.
	Late time.Duration
}

// Phase is one named part of an exchange.
type Phase struct {
	// Name of the phase: resolve, connect, tls, exchange, first_byte.
	Name string
	// Duration of the phase.
	Duration time.Duration
}
