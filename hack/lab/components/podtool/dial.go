// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// From linux/in.h and linux/errqueue.h; package syscall lacks them.
const (
	ipRecvErr      = 11 // IP_RECVERR
	msgErrQueue    = 0x2000
	originICMP     = 2 // SO_EE_ORIGIN_ICMP
	extendedErrLen = 16
)

// runDial prints what becomes of one attempt, as a word and what else there is to say:
//
//	connected                     TCP
//	answered                      UDP, or TCP with --send (an orderly close is an answer)
//	refused                       a TCP reset
//	rejected icmp=3/3 from=IP     an ICMP error, its type, code and sender; from the target itself if its UDP port is closed
//	timeout                       silence
//	failed: …                     anything else, by its errno
//
// Only an attempt that could not be made is an error.
func runDial(args []string) error {
	flags := flag.NewFlagSet("dial", flag.ContinueOnError)
	timeout := flags.Duration("timeout", time.Second, "how long to wait")
	send := flags.String("send", "", "`TEXT` to send after a TCP handshake, waiting for an answer")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return fmt.Errorf("dial wants tcp or udp and an address, not %q", flags.Args())
	}
	a := attempt{protocol: flags.Arg(0), timeout: *timeout, send: *send}
	switch a.protocol {
	case "tcp":
	case "udp":
		if a.send == "" {
			a.send = "podtool"
		}
	default:
		return fmt.Errorf("dial %s: want tcp or udp", a.protocol)
	}
	target, err := net.ResolveUDPAddr("udp4", flags.Arg(1)) // also reads TCP's
	if err != nil {
		return fmt.Errorf("reading the address: %w", err)
	}
	a.target = target.AddrPort()
	outcome, err := a.outcome()
	if err != nil {
		return err
	}
	fmt.Println(outcome)
	return nil
}

// attempt is one dial. It uses a socket of its own making, for package net closes a socket that could not connect, and with
// it goes what the kernel knows about the reason.
type attempt struct {
	protocol string
	target   netip.AddrPort
	timeout  time.Duration
	send     string
}

func (a attempt) outcome() (string, error) {
	kind := syscall.SOCK_STREAM
	if a.protocol == "udp" {
		kind = syscall.SOCK_DGRAM
	}
	fd, err := syscall.Socket(syscall.AF_INET, kind|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", os.NewSyscallError("socket", err)
	}
	defer func() { _ = syscall.Close(fd) }()
	limit := syscall.NsecToTimeval(a.timeout.Nanoseconds())
	if err := errors.Join(
		os.NewSyscallError("IP_RECVERR", syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, ipRecvErr, 1)),
		os.NewSyscallError("SO_SNDTIMEO", syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &limit)),
		os.NewSyscallError("SO_RCVTIMEO", syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit)),
	); err != nil {
		return "", err
	}
	step := syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(a.target.Port()), Addr: a.target.Addr().As4()})
	word := "connected"
	if step == nil && a.send != "" {
		word = "answered"
		if _, step = syscall.Write(fd, []byte(a.send)); step == nil {
			_, step = syscall.Read(fd, make([]byte, 64<<10))
		}
	}
	if step == nil {
		return word, nil
	}
	return explain(fd, step), nil
}

// explain says why a step failed, from the socket's error queue first.
func explain(fd int, step error) string {
	if reason := rejection(fd); reason != "" {
		return reason
	}
	switch {
	// A connect that takes too long is still in progress; a read that does would block.
	case errors.Is(step, syscall.EINPROGRESS), errors.Is(step, syscall.EAGAIN), errors.Is(step, syscall.ETIMEDOUT):
		return "timeout"
	case errors.Is(step, syscall.ECONNREFUSED):
		return "refused"
	}
	return "failed: " + step.Error()
}

// rejection reads an ICMP error from the socket's error queue; empty if there is none.
func rejection(fd int) string {
	control := make([]byte, 512)
	_, n, _, _, err := syscall.Recvmsg(fd, make([]byte, 1), control, msgErrQueue|syscall.MSG_DONTWAIT)
	if err != nil {
		return ""
	}
	messages, err := syscall.ParseSocketControlMessage(control[:n])
	if err != nil {
		return ""
	}
	for _, message := range messages {
		// A sock_extended_err, then the sockaddr_in of the sender.
		data := message.Data
		if message.Header.Level != syscall.IPPROTO_IP || message.Header.Type != ipRecvErr || len(data) < extendedErrLen+8 {
			continue
		}
		if data[4] != originICMP || binary.NativeEndian.Uint16(data[extendedErrLen:]) != syscall.AF_INET {
			continue
		}
		sender := netip.AddrFrom4([4]byte(data[extendedErrLen+4 : extendedErrLen+8]))
		return fmt.Sprintf("rejected icmp=%d/%d from=%s", data[5], data[6], sender)
	}
	return ""
}
