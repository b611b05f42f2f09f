// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package wire is the protocol between a mesh probe and the echo server. One
// request, one reply, each a message of exactly Size bytes, over UDP as one
// datagram, over TCP as the only exchange of a connection.
//
//	offset size
//	0      4    magic "NLdr"
//	4      1    version, 1
//	5      1    type: 0x51 request, 0xA2 reply
//	6      2    reserved, zero when sent, ignored when received
//	8      16   nonce, chosen by the client, repeated by the server
//	24     1+n  reply: length and bytes of the pod UID
//	            reply: length and bytes of the node name, cut to what fits
//	            padding, zero when sent, ignored when received
//
// A reply is never larger than a request and is never answered, so nobody can
// be used to amplify traffic or to make two servers talk for ever.
package wire

import (
	"bytes"
	"errors"
)

const (
	// Size of every message in bytes.
	Size = 192
	// MaxUID is the length of the longest pod UID in bytes.
	MaxUID = 64
	// MaxNode is how many bytes of a node name are sent.
	MaxNode = Size - headerSize - 2 - MaxUID

	version     = 1
	typeRequest = 0x51
	typeReply   = 0xA2
	headerSize  = 24
	nonceOffset = 8
)

// Errors of the parsers.
var (
	// ErrSize: not exactly Size bytes.
	ErrSize = errors.New("wire: wrong size")
	// ErrMagic: no message of this protocol.
	ErrMagic = errors.New("wire: wrong magic")
	// ErrVersion: a version that this side does not know.
	ErrVersion = errors.New("wire: unknown version")
	// ErrType: a reply where a request belongs, or the reverse.
	ErrType = errors.New("wire: wrong type")
	// ErrField: a length that does not fit, or unprintable content.
	ErrField = errors.New("wire: bad field")
)

// Nonce is 128 random bits that tie a reply to its request.
type Nonce [16]byte

// Request asks an echo server who it is.
type Request struct {
	// Nonce to repeat.
	Nonce Nonce
}

// Reply says who answered.
type Reply struct {
	// Nonce of the request.
	Nonce Nonce
	// PodUID of the echo pod, at most MaxUID bytes of printable ASCII.
	PodUID string
	// Node it runs on, cut to MaxNode bytes of printable ASCII.
	Node string
}

var magic = [4]byte{'N', 'L', 'd', 'r'}

// AppendRequest appends the encoded request to b.
func AppendRequest(b []byte, r Request) []byte {
	return append(appendHeader(b, typeRequest, r.Nonce), make([]byte, Size-headerSize)...)
}

// AppendReply appends the encoded reply to b. Fields that are too long are
// cut.
func AppendReply(b []byte, r Reply) []byte {
	end := len(b) + Size
	b = appendHeader(b, typeReply, r.Nonce)
	b = appendField(b, r.PodUID, MaxUID)
	b = appendField(b, r.Node, MaxNode)
	return append(b, make([]byte, end-len(b))...)
}

func appendHeader(b []byte, typ byte, nonce Nonce) []byte {
	b = append(b, magic[:]...)
	b = append(b, version, typ, 0, 0)
	return append(b, nonce[:]...)
}

func appendField(b []byte, s string, limit int) []byte {
	s = s[:min(len(s), limit)]
	return append(append(b, byte(len(s))), s...)
}

// ParseRequest parses a request. A server answers any later version too, in
// its own: so that a mixed fleet keeps working while it is being upgraded.
func ParseRequest(b []byte) (Request, error) {
	v, err := parseHeader(b, typeRequest)
	if err != nil {
		return Request{}, err
	}
	if v < version {
		return Request{}, ErrVersion
	}
	return Request{Nonce: nonceOf(b)}, nil
}

// ParseReply parses a reply.
func ParseReply(b []byte) (Reply, error) {
	v, err := parseHeader(b, typeReply)
	if err != nil {
		return Reply{}, err
	}
	if v != version {
		return Reply{}, ErrVersion
	}
	uid, rest, ok := parseField(b[headerSize:], MaxUID)
	if !ok {
		return Reply{}, ErrField
	}
	node, _, ok := parseField(rest, MaxNode)
	if !ok {
		return Reply{}, ErrField
	}
	return Reply{Nonce: nonceOf(b), PodUID: uid, Node: node}, nil
}

func nonceOf(b []byte) Nonce { return Nonce(b[nonceOffset:headerSize]) }

// parseHeader checks all but the version, which it returns.
func parseHeader(b []byte, typ byte) (byte, error) {
	switch {
	case len(b) != Size:
		return 0, ErrSize
	case !bytes.Equal(b[:len(magic)], magic[:]):
		return 0, ErrMagic
	case b[5] != typ:
		return 0, ErrType
	default:
		return b[4], nil
	}
}

func parseField(b []byte, limit int) (s string, rest []byte, ok bool) {
	if len(b) < 1 || int(b[0]) > limit || int(b[0]) > len(b)-1 {
		return "", nil, false
	}
	n := 1 + int(b[0])
	for _, c := range b[1:n] {
		if c < ' ' || c > '~' {
			return "", nil, false
		}
	}
	return string(b[1:n]), b[n:], true
}
