// Package fault is the table of what the lab can break on purpose. It is pure: it says which nftables rules a fault
// consists of and which daemon it keeps down; package cluster carries that out.
package fault

import (
	"fmt"
	"strings"

	"github.com/netladder/netladder/hack/lab/internal/layout"
)

// Target says which arguments a fault takes.
type Target string

// The targets.
const (
	Everywhere Target = "everywhere" // no argument: rules on all nodes
	Node       Target = "node"       // one node
	NodePeer   Target = "node-peer"  // one node, or only its path to one peer
)

// Site is one node that is asked what it must do for a fault.
type Site struct {
	Node   string // the node that is asked
	Broken Place  // the fault's node; empty if it has none
	Peer   Place  // the fault's peer; empty if it has none
}

// Place is a node and its address on the underlay.
type Place struct{ Node, IP string }

// Fault is one row of the table. A fault of rules lives in an nftables table of its own, so that healing it is to delete
// that table. Its rules drop whatever conntrack thinks of the packet: no connection survives because it is older.
type Fault struct {
	Name    string
	Target  Target
	Effect  string                  // one line for people
	Chains  func(site Site) []Chain // for every node; nil: no rules
	Stops   string                  // a node's daemon that must not run meanwhile; starting it again undoes what it did
	Deletes []string                // nftables tables, FAMILY NAME, that the stopped daemon leaves behind
}

// Chain is a base chain of drops.
type Chain struct {
	Hook     string   // prerouting, forward; see vxlanChains on output
	Priority string   // nftables priority
	Rules    []string // each ends in a verdict
}

// Table lists the faults. To add one, add a row here (and one in README.md).
func Table() []Fault {
	return []Fault{
		{
			Name: "vxlan", Target: NodePeer, Effect: "the tunnel's UDP port 8472 is lost from and to the node (with a peer: only between the two)",
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

// vxlanChains drops where the tunnel's packets arrive, in both directions: a drop where they leave would make sendmsg
// fail with EPERM, which is not what a firewall on the way does.
func vxlanChains(site Site) []Chain {
	const tunnel = "udp dport 8472 drop"
	var rule string
	switch {
	case site.Node == site.Broken.Node && site.Peer.IP != "":
		rule = "ip saddr " + site.Peer.IP + " " + tunnel
	case site.Node == site.Broken.Node:
		rule = tunnel
	case site.Node == site.Peer.Node || site.Peer.Node == "":
		rule = "ip saddr " + site.Broken.IP + " " + tunnel
	default:
		return nil
	}
	return []Chain{{Hook: "prerouting", Priority: "raw", Rules: []string{rule}}}
}

// dnsChains drops the answers of every DNS server in the pod network as they leave its pod, and questions of pods on
// their way: by port and not by CoreDNS's addresses, which change when its pods move. Health checks use other ports.
func dnsChains(Site) []Chain {
	const pods = layout.PodCIDR
	return []Chain{
		{Hook: "prerouting", Priority: "raw", Rules: []string{
			"ip saddr " + pods + " udp sport 53 drop", "ip saddr " + pods + " tcp sport 53 drop",
		}},
		{Hook: "forward", Priority: "raw", Rules: []string{
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

// TableName is the nftables table (family inet) of a fault in force.
func (f Fault) TableName(node, peer string) string {
	name := "lab-fault-" + f.Name
	for _, part := range []string{node, peer} {
		if part != "" {
			name += "-" + part
		}
	}
	return name
}

// BreakScript is the nftables script that puts the fault into force on one node, whether it already is or not.
func (f Fault) BreakScript(site Site) string {
	var script strings.Builder
	for _, table := range f.Deletes {
		script.WriteString(deleteTable(table))
	}
	if f.Chains == nil {
		return script.String()
	}
	script.WriteString(f.HealScript(site))
	chains := f.Chains(site)
	if len(chains) == 0 {
		return script.String()
	}
	fmt.Fprintf(&script, "table inet %s {\n", f.TableName(site.Broken.Node, site.Peer.Node))
	for _, chain := range chains {
		fmt.Fprintf(&script, "  chain %s {\n    type filter hook %s priority %s; policy accept;\n", chain.Hook, chain.Hook, chain.Priority)
		for _, rule := range chain.Rules {
			fmt.Fprintf(&script, "    %s\n", rule)
		}
		script.WriteString("  }\n")
	}
	script.WriteString("}\n")
	return script.String()
}

// HealScript removes the fault's rules on one node, whether they are there or not; empty for a fault without rules.
func (f Fault) HealScript(site Site) string {
	if f.Chains == nil {
		return ""
	}
	return deleteTable("inet " + f.TableName(site.Broken.Node, site.Peer.Node))
}

// deleteTable adds the table first, for nftables fails to delete one that is not there.
func deleteTable(table string) string { return "table " + table + "\ndelete table " + table + "\n" }
