// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/netladder/netladder/test/netns"
)

// Who floods a probe with what it must ignore does not prolong it: past the
// deadline only so much is looked at.
func TestFlood(t *testing.T) {
	n := netns.New(t, "flood")
	var why error
	n.Do(t, func() {
		why = func() error {
			server, err := net.ListenPacket("udp4", "127.0.0.1:8000")
			if err != nil {
				return err
			}
			defer func() { _ = server.Close() }()
			s, f := dial(t.Context(), overUDP, origin{}, netip.MustParseAddrPort("127.0.0.1:8000"), time.Nanosecond)
			defer s.close()
			if f == nil {
				f = s.write([]byte{0})
			}
			if f != nil {
				return errors.New(classify(*f).evidence)
			}
			_, from, err := server.ReadFrom(make([]byte, 1))
			if err != nil {
				return err
			}
			for range 2 * maxOvertime {
				if _, err := server.WriteTo([]byte{1}, from); err != nil {
					return err
				}
			}
			reads := 0
			for f == nil {
				if _, f = s.read(make([]byte, 1)); f == nil {
					reads++
				}
			}
			if f.kind != faultTimeout || reads != maxOvertime {
				t.Errorf("after %d datagrams: %+v", reads, f)
			}
			return nil
		}()
	})
	if why != nil {
		t.Error(why)
	}
}
