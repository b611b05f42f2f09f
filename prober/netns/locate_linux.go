// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	// maxProcesses bounds how many processes of a pod are looked at, the
	// oldest first.
	maxProcesses = 64
	// maxNamespaces bounds in how many namespaces of a pod its addresses are
	// looked for.
	maxNamespaces = 16
)

// sandbox is what was found of a pod: its namespace and the oldest process
// that is in it.
type sandbox struct {
	net     *descriptor
	id      namespaceID
	holder  *process
	members []int
}

func (s *sandbox) close() {
	s.net.close()
	s.holder.close()
}

// locator tells which of the namespaces of a pod's processes is the pod's.
type locator struct {
	procfs procfs
	home   *home
}

// hostID identifies the network namespace of the node.
func (l *locator) hostID() (namespaceID, error) {
	s, err := l.host()
	if err != nil {
		return namespaceID{}, err
	}
	s.close()
	return s.id, nil
}

// host finds the node's own namespace.
func (l *locator) host() (*sandbox, error) {
	if l.procfs.isolated() {
		return nil, &Error{Reason: ReasonNotPermitted, Message: "the prober sees its own processes only: start it with hostPID: true"}
	}
	proc, err := l.procfs.open(initPID)
	if err == nil {
		var s *sandbox
		if s, err = enclose(proc); err == nil {
			return s, nil
		}
	}
	if errors.Is(err, errGone) {
		err = &Error{Reason: ReasonFailed, Message: "the node's first process is not to be seen: start the prober with hostPID: true", Err: err}
	}
	return nil, err
}

// enclose takes a process for the holder of the namespace it is in, or closes
// it.
func enclose(proc *process) (*sandbox, error) {
	net, id, err := proc.namespace()
	if err != nil {
		proc.close()
		return nil, err
	}
	return &sandbox{net: net, id: id, holder: proc}, nil
}

// locate returns the namespace of a pod: of those that its processes are in
// the first, by the age of the processes, that has its addresses and is not
// the node's.
func (l *locator) locate(pod Pod, candidates []candidate, host namespaceID) (*sandbox, *Error) {
	if len(pod.IPs) == 0 {
		return nil, &Error{Reason: ReasonWrongAddress, Message: "the pod has no address yet"}
	}
	slices.SortFunc(candidates, older)
	candidates = candidates[:min(len(candidates), maxProcesses)]
	failure := notFound()
	rejected := map[namespaceID]bool{}
	for _, c := range candidates {
		s, err := l.enclose(c.pid, pod.UID)
		if err != nil {
			failure = worse(failure, err)
			continue
		}
		if !rejected[s.id] && len(rejected) < maxNamespaces {
			if err = l.check(s, pod, host); err == nil {
				s.members = pids(candidates)
				return s, nil
			}
			failure = worse(failure, err)
			rejected[s.id] = true
		}
		s.close()
	}
	return nil, failure
}

func (l *locator) enclose(pid int, uid string) (*sandbox, error) {
	proc, err := l.procfs.member(pid, uid)
	if err != nil {
		return nil, err
	}
	return enclose(proc)
}

// check says why a namespace is not the pod's.
func (l *locator) check(s *sandbox, pod Pod, host namespaceID) error {
	if s.id == host {
		return &Error{Reason: ReasonHostNetwork,
			Message: "the pod uses its node's network: probes cannot start in it; use from.nodes instead"}
	}
	return l.home.enter(s.net, func() error {
		for _, ip := range pod.IPs {
			if err := bindable(ip); err != nil {
				return err
			}
		}
		return nil
	})
}

// bindable says whether the calling thread's namespace has an address.
func bindable(ip netip.Addr) error {
	ip = ip.Unmap()
	var sa unix.Sockaddr = &unix.SockaddrInet6{Addr: ip.As16()}
	domain := unix.AF_INET6
	if ip.Is4() {
		sa, domain = &unix.SockaddrInet4{Addr: ip.As4()}, unix.AF_INET
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, sa)
		_ = unix.Close(fd)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return &Error{Reason: ReasonWrongAddress, Message: fmt.Sprintf(
			"no network namespace of the pod has the address %v: its network is being set up or taken down", ip)}
	default:
		return &Error{Reason: ReasonFailed, Message: "binding a socket to the pod's address failed", Err: err}
	}
}

func notFound() *Error {
	return &Error{Reason: ReasonNotFound, Message: "no process of the pod runs on this node: it has not started or has ended, " +
		"or it is a static pod, whose processes do not carry its UID"}
}

// worse returns the failure that tells more: a missing right before a wrong
// address, before the node's network, before a process that is gone.
func worse(failure *Error, err error) *Error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		if errors.Is(err, errGone) {
			return failure
		}
		e = &Error{Reason: ReasonFailed, Message: "looking into the pod's processes failed", Err: err}
	}
	rank := []Reason{ReasonNotFound, ReasonHostNetwork, ReasonWrongAddress, ReasonFailed, ReasonNotPermitted}
	if slices.Index(rank, e.Reason) > slices.Index(rank, failure.Reason) {
		return e
	}
	return failure
}

func pids(candidates []candidate) []int {
	all := make([]int, len(candidates))
	for i, c := range candidates {
		all[i] = c.pid
	}
	return all
}
