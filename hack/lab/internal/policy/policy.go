// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package policy says how a node enforces NetworkPolicies. It is pure: package cluster carries it out.
//
// New flows from and to pods are queued (QueueRules) to the node's policy agent, which marks what is denied; nftables rules
// behind the queue (Script) then drop, reject or pass what is marked. To change the treatment is to replace one table.
package policy

import (
	"fmt"
	"slices"
	"strings"
)

const (
	// Queue is the number of the netfilter queue between the kernel and the agent.
	Queue = 100
	// Mark is the bit of the packet mark that says denied; kube-proxy and the kubelet use 0x4000 and 0x8000.
	Mark = 0x100000

	tableName = "lab-policy"
)

// Treatment is what becomes of a denied packet on a node.
type Treatment string

// The treatments.
const (
	Drop  Treatment = "drop"  // silence
	ICMP  Treatment = "icmp"  // ICMP port unreachable, as kube-router rejects
	Reset Treatment = "reset" // a TCP reset; ICMP administratively prohibited for everything else, much as Antrea rejects
	Off   Treatment = "off"   // not enforced: everything passes
)

// Treatments lists all, the default first.
func Treatments() []Treatment { return []Treatment{Drop, ICMP, Reset, Off} }

// Parse reads a treatment from the command line.
func Parse(text string) (Treatment, error) {
	if t := Treatment(text); slices.Contains(Treatments(), t) {
		return t, nil
	}
	return "", fmt.Errorf("there is no treatment %q of denied packets; there are %q", text, Treatments())
}

// QueueRules is the input of iptables-restore that queues the first packets of flows, in place of what it queued before. Rules
// of iptables, for not every kernel's nftables can queue. Of chain input only what comes from pods; no chain output: a node
// always reaches its own pods. Whatever waits for no agent passes.
func QueueRules() string {
	queue := fmt.Sprintf("-m conntrack --ctstate NEW -j NFQUEUE --queue-num %d --queue-bypass", Queue)
	return "*mangle\n-F FORWARD\n-F INPUT\n-A FORWARD " + queue + "\n-A INPUT -i veth+ " + queue + "\nCOMMIT\n"
}

// Script is the nftables script that puts the treatment into force, whichever was before.
func (t Treatment) Script() string {
	table := "table inet " + tableName
	script := table + "\ndelete " + table + "\n"
	actions := map[Treatment][]string{
		Drop:  {"drop"},
		ICMP:  {"reject with icmpx port-unreachable"},
		Reset: {"meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited"},
	}[t]
	if len(actions) == 0 {
		return script
	}
	var chains strings.Builder
	for _, hook := range []string{"forward", "input"} {
		fmt.Fprintf(&chains, "  chain %s {\n    type filter hook %s priority mangle + 10; policy accept;\n", hook, hook)
		for _, action := range actions {
			fmt.Fprintf(&chains, "    meta mark & %#x != 0 %s\n", Mark, action)
		}
		chains.WriteString("  }\n")
	}
	return script + table + " {\n" + chains.String() + "}\n"
}
