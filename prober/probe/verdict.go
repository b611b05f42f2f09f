// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

// Verdict is what one probe saw, in one word; the values and their meanings
// are those of the API's Verdict (a test holds the two lists together).
type Verdict string

// The verdicts that probes give.
const (
	Connected           Verdict = "Connected"
	Refused             Verdict = "Refused"
	Rejected            Verdict = "Rejected"
	Dropped             Verdict = "Dropped"
	Unreachable         Verdict = "Unreachable"
	ProtocolUnreachable Verdict = "ProtocolUnreachable"
	TooBig              Verdict = "TooBig"
	LocalDenied         Verdict = "LocalDenied"
	LocalError          Verdict = "LocalError"
	Reset               Verdict = "Reset"
	WrongIdentity       Verdict = "WrongIdentity"
	ProtocolError       Verdict = "ProtocolError"
	TLSError            Verdict = "TLSError"
	DNSNameError        Verdict = "DNSNameError"
	DNSServerFailure    Verdict = "DNSServerFailure"
	DNSTimeout          Verdict = "DNSTimeout"
	DNSNoAnswer         Verdict = "DNSNoAnswer"
	DNSWrongAnswer      Verdict = "DNSWrongAnswer"
	DNSTruncated        Verdict = "DNSTruncated"
	NotListening        Verdict = "NotListening"
	Intercepted         Verdict = "Intercepted"
	Inconclusive        Verdict = "Inconclusive"
	Unmeasured          Verdict = "Unmeasured"
	Unsupported         Verdict = "Unsupported"
)
