// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netladder/netladder/api/v1alpha1"
)

const allCaps = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_NET_RAW

// Each capability is needed for something, and what can be done without still
// is.
func TestAbilities(t *testing.T) {
	const full, restricted = v1alpha1.LevelFull, v1alpha1.LevelRestricted
	groups := map[string]v1alpha1.ProbeGroup{
		"TCP":           {Kind: v1alpha1.ProbeTCP},
		"UDP":           {Kind: v1alpha1.ProbeUDP},
		"ICMP":          {Kind: v1alpha1.ProbeICMP},
		"Wire":          {Kind: v1alpha1.ProbeWire},
		"half-open":     {Kind: v1alpha1.ProbeTCPHalfOpen},
		"from pods":     {Kind: v1alpha1.ProbeTCP, From: v1alpha1.SourcePods},
		"from the node": {Kind: v1alpha1.ProbeICMP, From: v1alpha1.SourceHost},
		"half-open, from pods": {
			Kind: v1alpha1.ProbeTCPHalfOpen, From: v1alpha1.SourcePods,
		},
		"Listener":    {Kind: v1alpha1.ProbeListener},
		"HostControl": {Kind: v1alpha1.ProbeHostControl},
	}
	anywhere := []string{"TCP", "UDP", "ICMP", "Wire"}
	inside := []string{"from pods", "from the node", "Listener", "HostControl"}
	for name, tc := range map[string]struct {
		level v1alpha1.Level
		caps  uint64
		works [][]string
		says  string
	}{
		"Restricted":                   {restricted, 0, [][]string{anywhere}, "--level=Full"},
		"no level":                     {"", 0, [][]string{anywhere}, "--level=Full"},
		"Restricted, whatever it has":  {restricted, allCaps, [][]string{anywhere}, "--level=Full"},
		"Full":                         {full, allCaps, [][]string{anywhere, inside, {"half-open", "half-open, from pods"}}, ""},
		"Full without SYS_ADMIN":       {full, allCaps &^ (1 << unix.CAP_SYS_ADMIN), [][]string{anywhere, {"half-open"}}, "missing: SYS_ADMIN"},
		"Full without SYS_PTRACE":      {full, allCaps &^ (1 << unix.CAP_SYS_PTRACE), [][]string{anywhere, {"half-open"}}, "missing: SYS_PTRACE"},
		"Full without NET_RAW":         {full, allCaps &^ (1 << unix.CAP_NET_RAW), [][]string{anywhere, inside}, "missing: NET_RAW"},
		"Full without any capability":  {full, 0, [][]string{anywhere}, "missing: SYS_ADMIN, SYS_PTRACE, NET_RAW"},
		"Full of unrelated capability": {full, 1 << unix.CAP_CHOWN, [][]string{anywhere}, "missing: SYS_ADMIN, SYS_PTRACE, NET_RAW"},
	} {
		t.Run(name, func(t *testing.T) {
			can := abilitiesOf(tc.level, tc.caps)
			works := map[string]bool{}
			for _, names := range tc.works {
				for _, n := range names {
					works[n] = true
				}
			}
			for n, g := range groups {
				why := can.unsupported(&g)
				if (why == "") != works[n] {
					t.Errorf("%s: %q", n, why)
				}
				if why != "" && !strings.Contains(why, tc.says) || len(why) > 256 {
					t.Errorf("%s: %q does not say %q", n, why, tc.says)
				}
			}
			unknown := can.unsupported(&v1alpha1.ProbeGroup{From: "Satellite", Kind: v1alpha1.ProbeTCP})
			if !strings.Contains(unknown, `"Satellite"`) || !strings.Contains(unknown, "upgrade") {
				t.Errorf("from nowhere known: %q", unknown)
			}
		})
	}
}

func TestParseCapabilities(t *testing.T) {
	for text, want := range map[string]uint64{
		"Name:\tnetladder\nCapPrm:\t0000000000000000\nCapEff:\t0000000000282000\nCapBnd:\t1\n": 1<<unix.CAP_NET_RAW | 1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_SYS_ADMIN,
		"CapEff:\t0000000000000000\n": 0,
	} {
		if got, err := parseCapabilities(text); err != nil || got != want {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "CapPrm:\t1\n", "CapEff:\tall\n"} {
		if got, err := parseCapabilities(text); err == nil {
			t.Errorf("%q: %x", text, got)
		}
	}
	if _, err := effectiveCapabilities(); err != nil {
		t.Error(err)
	}
}
