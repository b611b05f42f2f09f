// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// notPermitted says which right is missing for an action.
func notPermitted(capability int, action string, err error) *Error {
	name := capabilityName(capability)
	message := fmt.Sprintf("%s needs %s: start the prober at level Full", action, name)
	if held(capability) {
		message = action + " is forbidden although the prober holds " + name +
			": let it run with AppArmor Unconfined, seccomp RuntimeDefault and SELinux type spc_t"
	}
	return &Error{Reason: ReasonNotPermitted, Message: message, Err: err}
}

func capabilityName(capability int) string {
	switch capability {
	case unix.CAP_SYS_ADMIN:
		return "CAP_SYS_ADMIN"
	case unix.CAP_SYS_PTRACE:
		return "CAP_SYS_PTRACE"
	default:
		return fmt.Sprintf("capability %d", capability)
	}
}

// held says whether a capability is effective.
func held(capability int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}
