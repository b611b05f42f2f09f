// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"

	"github.com/netladder/netladder/api/v1alpha1"
)

// capability is one of those that level Full needs.
type capability struct {
	name string
	bit  uint
	// missed is what does not work without it.
	missed string
}

var fullNeeds = [...]capability{
	{"SYS_ADMIN", unix.CAP_SYS_ADMIN, "no probe from pods or nodes, no proof of a Deny"},
	{"SYS_PTRACE", unix.CAP_SYS_PTRACE, "no probe from pods or nodes, no proof of a Deny"},
	{"NET_RAW", unix.CAP_NET_RAW, "no half-open probe, and so no proof of a Deny to a TCP port of a pod; no ping where the pod forbids ping sockets"},
}

// abilities are what the prober may do, beside what needs no right at all.
type abilities struct {
	// enter: start in the network namespaces of pods and of the node.
	enter bool
	// raw: send packets that no socket of the kernel makes.
	raw bool
	// lack says what to do about what is missing, in one line.
	lack string
}

// abilitiesOf says what a prober of this level can do with these capabilities.
func abilitiesOf(level v1alpha1.Level, caps uint64) abilities {
	if level != v1alpha1.LevelFull {
		return abilities{lack: "this needs probers of level Full: start the controller with --level=Full"}
	}
	var missing []string
	has := map[uint]bool{}
	for _, c := range fullNeeds {
		if has[c.bit] = caps&(1<<c.bit) != 0; !has[c.bit] {
			missing = append(missing, c.name)
		}
	}
	a := abilities{enter: has[unix.CAP_SYS_ADMIN] && has[unix.CAP_SYS_PTRACE], raw: has[unix.CAP_NET_RAW]}
	if len(missing) > 0 {
		a.lack = "this prober's container lacks the capabilities that this needs; missing: " + strings.Join(missing, ", ")
	}
	return a
}

// unsupported returns why probes of a group cannot be made, empty where they
// can.
func (a abilities) unsupported(pg *v1alpha1.ProbeGroup) string {
	switch pg.From {
	case v1alpha1.SourceProber, v1alpha1.SourcePods, v1alpha1.SourceHost:
	default:
		return fmt.Sprintf("this prober knows no place to start from called %.32q: upgrade it", string(pg.From))
	}
	enters := pg.From != v1alpha1.SourceProber || pg.Kind == v1alpha1.ProbeListener || pg.Kind == v1alpha1.ProbeHostControl
	if enters && !a.enter || pg.Kind == v1alpha1.ProbeTCPHalfOpen && !a.raw {
		return a.lack
	}
	return ""
}

// log says what a prober of level Full has and lacks.
func (a abilities) log(log logr.Logger, caps uint64) {
	for _, c := range fullNeeds {
		if caps&(1<<c.bit) != 0 {
			log.Info("capability", "name", c.name, "present", true)
		} else {
			log.Info("capability", "name", c.name, "present", false, "disables", c.missed)
		}
	}
}

// effectiveCapabilities of this process.
func effectiveCapabilities() (uint64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("own capabilities: %w", err)
	}
	return parseCapabilities(string(text))
}

func parseCapabilities(status string) (uint64, error) {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil {
				return 0, fmt.Errorf("own capabilities: %w", err)
			}
			return caps, nil
		}
	}
	return 0, fmt.Errorf("own capabilities: /proc/self/status has no line CapEff")
}
