// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

func TestTemporary(t *testing.T) {
	for err, want := range map[error]bool{
		&netlink.OpError{Op: "receive", Err: unix.ENOENT}: true, // the packet is gone
		&netlink.OpError{Op: "receive", Err: unix.EAGAIN}: true,
		&netlink.OpError{Op: "receive", Err: unix.EPERM}:  false,
		io.EOF: false,
	} {
		if got := temporary(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
