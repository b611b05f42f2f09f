// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// Namespace is the network namespace of a pod or of the node. It stays usable
// until the Registry lets go of it; then its methods return an *Error.
type Namespace struct {
	home *home
	net  *descriptor
	id   namespaceID
	// member opens a process if it still is one of those that may be asked.
	member func(pid int) (*process, error)
	files  reader

	mu      sync.Mutex
	holder  *process
	members []int
	gone    *Error // why it is not held any more
}

func newNamespace(h *home, s *sandbox, member func(pid int) (*process, error)) *Namespace {
	return &Namespace{home: h, net: s.net, id: s.id, holder: s.holder, members: s.members, member: member}
}

// Do implements probe.Entry. Nothing that f starts is inside: not goroutines,
// and not what it does with other threads.
func (n *Namespace) Do(f func() error) error {
	err := n.home.enter(n.net, f)
	if errors.Is(err, errClosed) {
		return n.whyGone()
	}
	return err
}

// Listens reports whether a socket in the namespace accepts what is sent to
// addr: one that listens (protocol "TCP") or is bound and not connected
// ("UDP") at this address or at the wildcard of its family; that of IPv6
// serves IPv4 too, unless it was told not to. It sends nothing. An error is an
// *Error.
func (n *Namespace) Listens(addr netip.AddrPort, protocol string) (bool, error) {
	addr = netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port())
	number := map[string]int{"TCP": unix.IPPROTO_TCP, "UDP": unix.IPPROTO_UDP}[protocol]
	if number == 0 || !addr.IsValid() || addr.Port() == 0 {
		return false, &Error{Reason: ReasonUnsupported, Message: "listeners can be read for an address, a port and TCP or UDP only"}
	}
	var conn *diagConn
	err := n.Do(func() (err error) {
		conn, err = newDiagConn()
		return err
	})
	if err != nil {
		return false, diagError(err)
	}
	defer conn.close()
	listens, err := conn.listens(addr, number)
	if err != nil {
		return false, diagError(err)
	}
	return listens, nil
}

func diagError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, errTooMany):
		return &Error{Reason: ReasonFailed, Message: "the pod's listeners cannot be read", Err: err}
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EPROTONOSUPPORT):
		return &Error{Reason: ReasonUnsupported, Message: "the node's kernel does not show listeners: load its modules tcp_diag and udp_diag", Err: err}
	default:
		return &Error{Reason: ReasonFailed, Message: "reading the pod's listeners failed", Err: err}
	}
}

// current says whether the process that the namespace was found by still is
// in it.
func (n *Namespace) current() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.holder.in(n.id)
}

// hold replaces the process by another that is in the same namespace.
func (n *Namespace) hold(s *sandbox) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.net.close()
	n.holder.close()
	n.holder, n.members = s.holder, s.members
}

// release lets go of the namespace; who is inside keeps it until they leave.
func (n *Namespace) release(why *Error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone = why
	n.net.close()
	n.holder.close()
}

func (n *Namespace) whyGone() *Error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone == nil {
		return errClosed // the Registry was closed
	}
	return n.gone
}

// ResolvConf implements probe.Entry: what the processes of the pod, or of the
// node, find as /etc/resolv.conf. An error is an *Error and shows nothing of
// the content.
func (n *Namespace) ResolvConf() ([]byte, error) {
	b, err := n.files.read(n.resolvConf)
	if err == nil {
		return b, nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return nil, e
	}
	if errors.Is(err, errGone) {
		err = fmt.Errorf("%w, or has no such file", err)
	}
	return nil, &Error{Reason: ReasonFailed, Message: "the pod's /etc/resolv.conf cannot be read", Err: err}
}

// resolvConf asks the holder, and then the others: the sandbox's own process
// may have no files.
func (n *Namespace) resolvConf() ([]byte, error) {
	n.mu.Lock()
	holder, members, gone := n.holder, n.members, n.gone
	n.mu.Unlock()
	if gone != nil {
		return nil, gone
	}
	b, err := holder.resolvConf()
	for _, pid := range members {
		if !errors.Is(err, errGone) {
			break
		}
		if pid == holder.pid {
			continue
		}
		proc, memberErr := n.member(pid)
		if memberErr != nil {
			continue
		}
		b, err = proc.resolvConf()
		proc.close()
	}
	return b, err
}
