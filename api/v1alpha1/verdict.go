// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Verdict says what one probe saw. The set is closed; probers that are newer
// than their controller may send others, which are shown and not interpreted.
type Verdict string

const (
	// VerdictConnected: the whole exchange succeeded.
	VerdictConnected Verdict = "Connected"
	// VerdictRefused: the target itself said no: a closed port (TCP reset, or
	// for UDP an ICMP port unreachable from the target). The way there is open.
	VerdictRefused Verdict = "Refused"
	// VerdictRejected: a filter said no by ICMP: prohibited, or port
	// unreachable, which for TCP no closed port answers and for UDP is not the
	// target's. The offender is in the evidence.
	VerdictRejected Verdict = "Rejected"
	// VerdictDropped: no answer within the timeout.
	VerdictDropped Verdict = "Dropped"
	// VerdictUnreachable: no route, or no neighbour, at a hop or at the source.
	VerdictUnreachable Verdict = "Unreachable"
	// VerdictProtocolUnreachable: ICMP protocol unreachable.
	VerdictProtocolUnreachable Verdict = "ProtocolUnreachable"
	// VerdictTooBig: ICMP fragmentation needed, or packet too big.
	VerdictTooBig Verdict = "TooBig"
	// VerdictLocalDenied: the source's own host refused to send.
	VerdictLocalDenied Verdict = "LocalDenied"
	// VerdictLocalError: the probe could not be made; nothing is said about
	// the path.
	VerdictLocalError Verdict = "LocalError"
	// VerdictReset: the connection was established and then reset.
	VerdictReset Verdict = "Reset"
	// VerdictWrongIdentity: somebody else than the expected target answered.
	VerdictWrongIdentity Verdict = "WrongIdentity"
	// VerdictProtocolError: the answer is not what the protocol or the check
	// asks for; the evidence says what came.
	VerdictProtocolError Verdict = "ProtocolError"
	// VerdictTLSError: connected, and then the TLS handshake failed, or the
	// certificate is not one to trust: expired, not yet valid, for another name,
	// by an unknown authority. The evidence says which.
	VerdictTLSError Verdict = "TLSError"
	// VerdictDNSNameError: the name does not exist (NXDOMAIN).
	VerdictDNSNameError Verdict = "DNSNameError"
	// VerdictDNSServerFailure: the server answered SERVFAIL or REFUSED.
	VerdictDNSServerFailure Verdict = "DNSServerFailure"
	// VerdictDNSTimeout: no server answered in time.
	VerdictDNSTimeout Verdict = "DNSTimeout"
	// VerdictDNSNoAnswer: the name exists, without a record of this type.
	VerdictDNSNoAnswer Verdict = "DNSNoAnswer"
	// VerdictDNSWrongAnswer: an expected answer is not among those that came.
	VerdictDNSWrongAnswer Verdict = "DNSWrongAnswer"
	// VerdictDNSTruncated: the answer did not fit and TCP was not tried.
	VerdictDNSTruncated Verdict = "DNSTruncated"
	// VerdictNotListening: nothing in the target pod listens on the address,
	// port and protocol; kind Listener only.
	VerdictNotListening Verdict = "NotListening"
	// VerdictIntercepted: something in the source pod's network namespace, such
	// as the sidecar of a service mesh, takes every connection, so that a
	// connection says nothing about the path.
	VerdictIntercepted Verdict = "Intercepted"
	// VerdictInconclusive: no answer, where the target need not answer, as by
	// UDP.
	VerdictInconclusive Verdict = "Inconclusive"
	// VerdictUnmeasured: the prober itself was late by more than half the
	// timeout; never counted as bad.
	VerdictUnmeasured Verdict = "Unmeasured"
	// VerdictUnsupported: this prober cannot make this kind of probe; the
	// evidence says what to enable.
	VerdictUnsupported Verdict = "Unsupported"
)

// Verdicts lists every verdict, in the order of the documentation.
func Verdicts() []Verdict {
	return []Verdict{
		VerdictConnected, VerdictRefused, VerdictRejected, VerdictDropped, VerdictUnreachable,
		VerdictProtocolUnreachable, VerdictTooBig, VerdictLocalDenied, VerdictLocalError, VerdictReset,
		VerdictWrongIdentity, VerdictProtocolError, VerdictTLSError, VerdictDNSNameError, VerdictDNSServerFailure,
		VerdictDNSTimeout, VerdictDNSNoAnswer, VerdictDNSWrongAnswer, VerdictDNSTruncated, VerdictNotListening,
		VerdictIntercepted, VerdictInconclusive, VerdictUnmeasured, VerdictUnsupported,
	}
}
