// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"strings"
)

// maxDescribed is how many devices are described.
const maxDescribed = 2

// Describe says in one line what devices a node has that make tunnels which are
// neither probed nor judged: Geneve, WireGuard, and VXLAN that takes its peers from
// elsewhere. It is empty where there is none.
func (s *Snapshot) Describe() string {
	var out []string
	more := 0
	for i := range s.Devices {
		d := &s.Devices[i]
		switch {
		case d.Encapsulation == IPIP || d.Encapsulation == VXLAN && !d.External:
		case len(out) == maxDescribed:
			more++
		default:
			out = append(out, d.String())
		}
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return strings.Join(out, ", ")
}

// String is like "Geneve genev_sys_6081 (UDP 6081, up, MTU 65000, received 12
// packets, sent 40)".
func (d *Device) String() string {
	var has []string
	if d.VNI != 0 {
		has = append(has, fmt.Sprintf("VNI %d", d.VNI))
	}
	if d.Port != 0 {
		has = append(has, fmt.Sprintf("UDP %d", d.Port))
	}
	state := "down"
	if d.Up {
		state = "up"
	}
	has = append(has, state, fmt.Sprintf("MTU %d", d.MTU), fmt.Sprintf("received %d packets, sent %d", d.Received, d.Sent))
	return fmt.Sprintf("%s %s (%s)", d.Encapsulation, d.Name, strings.Join(has, ", "))
}
