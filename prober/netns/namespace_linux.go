// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"net/netip"
)

// Namespace is the network namespace of a pod or of the node. It stays usable
// until the Registry lets go of it; then its methods return an *Error.
type Namespace struct{}

// Do implements probe.Entry.
func (n *Namespace) Do(_ func() error) error { return errors.ErrUnsupported }

// ResolvConf implements probe.Entry.
func (n *Namespace) ResolvConf() ([]byte, error) { return nil, errors.ErrUnsupported }

// Listens reports whether a socket in the namespace accepts what is sent to
// addr: one that listens (protocol "TCP") or is bound and not connected
// ("UDP") at this address or at the wildcard of its family; that of IPv6
// serves IPv4 too, unless it was told not to. It sends nothing.
func (n *Namespace) Listens(_ netip.AddrPort, _ string) (bool, error) {
	return false, errors.ErrUnsupported
}
