// Package fault is the table of what the lab can break on purpose. It is pure: it says which nftables rules a fault
// consists of and which daemon it keeps down; package cluster carries that out.
package fault

import (
	"fmt"
	"slices"
	"strings"
)

// Target says which arguments a fault takes.
type Target string

// The targets.
const (
	Everywhere Target = "everywhere" // no argument: rules on all nodes
	Node       Target = "node"       // one node
	NodePeer   Target = "node-peer"  // one node, or only its path to one peer
)

// Site is the node that a fault is carried out on.
type Site struct {
	PeerIP    string   // on the underlay; empty: all peers
	DNSPodIPs []string // of CoreDNS
}

// Fault is one row of the table. A fault of rules lives in an nftables table of its own, so that healing it is to delete
// that table. Its rules drop whatever conntrack thinks of the packet: no connection survives because it is older.
type Fault struct {
	Name    string
	Target  Target
	Effect  string                  // one line for people
	Chains  func(site Site) []Chain // nil: no rules
	Stops   string                  // a node's daemon that must not run meanwhile; starting it again undoes what it did
	Deletes []string                // nftables tables, FAMILY NAME, that the stopped daemon leaves behind
}

// Chain is a base chain of drops.
type Chain struct {
	Hook     string   // prerouting, output, postrouting
	Priority string   // nftables priority
	Rules    []string // each ends in a verdict
}

// Table lists the faults. To add one, add a row here (and one in README.md).
func Table() []Fault {
	return []Fault{
		{
			Name: "vxlan", Target: NodePeer, Effect: "the tunnel's UDP port 8472 is dropped in and out at the node (with a peer: only between the two)",
			Chains: vxlanChains,
		},
		{
			Name: "dns", Target: Everywhere, Effect: "nobody gets an answer from CoreDNS; its pods stay Ready",
			Chains: dnsChains,
		},
		{
			Name: "kubeproxy", Target: Node, Effect: "kube-proxy is stopped on the node and its rules are gone: ClusterIPs lead nowhere",
			Stops: "kube-proxy", Deletes: []string{"ip kube-proxy", "ip6 kube-proxy"},
		},
	}
}

func vxlanChains(site Site) []Chain {
	from, to := "", ""
	if site.PeerIP != "" {
		from, to = "ip saddr "+site.PeerIP+" ", "ip daddr "+site.PeerIP+" "
	}
	return []Chain{
		{Hook: "prerouting", Priority: "raw", Rules: []string{from + "udp dport 8472 drop"}},
		{Hook: "output", Priority: "raw", Rules: []string{to + "udp dport 8472 drop"}},
	}
}

// dnsChains drops answers as they leave the pod and questions after address translation, so that both the ClusterIP and
// the pods' own addresses are dead. The kubelet's health checks use other ports.
func dnsChains(site Site) []Chain {
	if len(site.DNSPodIPs) == 0 {
		return nil
	}
	ips := slices.Sorted(slices.Values(site.DNSPodIPs))
	pods := "{ " + strings.Join(ips, ", ") + " }"
	return []Chain{
		{Hook: "prerouting", Priority: "raw", Rules: []string{
			"ip saddr " + pods + " udp sport 53 drop", "ip saddr " + pods + " tcp sport 53 drop",
		}},
		{Hook: "postrouting", Priority: "raw", Rules: []string{
			"ip daddr " + pods + " udp dport 53 drop", "ip daddr " + pods + " tcp dport 53 drop",
		}},
	}
}

// Find returns a fault by name; the error names those that there are.
func Find(name string) (Fault, error) {
	var names []string
	for _, each := range Table() {
		if each.Name == name {
			return each, nil
		}
		names = append(names, each.Name)
	}
	return Fault{}, fmt.Errorf("there is no fault %q; there are %s", name, strings.Join(names, ", "))
}

// CheckArguments refuses a node or peer that the fault cannot take.
func (f Fault) CheckArguments(node, peer string) error {
	switch {
	case f.Target == Everywhere && node != "":
		return fmt.Errorf("fault %s takes no node: it breaks every node", f.Name)
	case f.Target != Everywhere && node == "":
		return fmt.Errorf("fault %s needs a node: %s", f.Name, f.Usage())
	case f.Target != NodePeer && peer != "":
		return fmt.Errorf("fault %s takes no peer: %s", f.Name, f.Usage())
	case peer != "" && peer == node:
		return fmt.Errorf("fault %s: %s cannot be its own peer", f.Name, node)
	}
	return nil
}

// Usage is the fault as it is written on the command line.
func (f Fault) Usage() string {
	return f.Name + map[Target]string{Everywhere: "", Node: " NODE", NodePeer: " NODE [PEER]"}[f.Target]
}

// TableName is the nftables table of a fault (family inet).
func (f Fault) TableName(peer string) string {
	name := "lab-fault-" + f.Name
	if peer != "" {
		name += "-" + peer
	}
	return name
}

// BreakScript is the nftables script that puts the fault into force on one node, whether it already is or not. It is
// empty for a fault without rules.
func (f Fault) BreakScript(peer string, site Site) string {
	var script strings.Builder
	for _, table := range f.Deletes {
		fmt.Fprintf(&script, "table %s\ndelete table %s\n", table, table)
	}
	if f.Chains == nil {
		return script.String()
	}
	script.WriteString(f.HealScript(peer))
	fmt.Fprintf(&script, "table inet %s {\n", f.TableName(peer))
	for _, chain := range f.Chains(site) {
		fmt.Fprintf(&script, "  chain %s {\n    type filter hook %s priority %s; policy accept;\n", chain.Hook, chain.Hook, chain.Priority)
		for _, rule := range chain.Rules {
			fmt.Fprintf(&script, "    %s\n", rule)
		}
		script.WriteString("  }\n")
	}
	script.WriteString("}\n")
	return script.String()
}

// HealScript removes the fault's rules on one node, whether they are there or not (nftables deletes no table that is not
// there, hence the line that adds it first).
func (f Fault) HealScript(peer string) string {
	if f.Chains == nil {
		return ""
	}
	return fmt.Sprintf("table inet %s\ndelete table inet %s\n", f.TableName(peer), f.TableName(peer))
}
