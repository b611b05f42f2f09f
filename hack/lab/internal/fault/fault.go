// Package fault is the table of what the lab can break on purpose. It is pure: it says which nftables rules a fault
// consists of, which daemon it keeps down and which wire it cuts; package cluster carries that out.
package fault

import (
	"fmt"
	"regexp"
	"strings"
)

// Target says which arguments a fault takes.
type Target string

// The targets.
const (
	Everywhere Target = "everywhere"   // no argument: rules on all nodes
	Node       Target = "node"         // one node
	NodePeer   Target = "node-peer"    // one node, or only its path to one peer
	NodeToPeer Target = "node-to-peer" // one node and one peer: one direction, or what the node has for that peer
	NodeObject Target = "node-object"  // one node and one object, NAMESPACE/NAME
)

// Wiring is something other than rules that a fault does to links and routes.
type Wiring string

// The wirings.
const (
	Forward   Wiring = "forward"   // the forwarding entry for a peer
	Route     Wiring = "route"     // the route to a peer's pods
	Neighbour Wiring = "neighbour" // the neighbour entry for a peer
	Link      Wiring = "link"      // the cable to the switch
	Hop       Wiring = "hop"       // a router between a node and the others
	PodRoute  Wiring = "podRoute"  // the route to one pod on its own node
)

// Site is one node that is asked what it must do for a fault.
type Site struct {
	Node   string // the node that is asked
	Broken Place  // the fault's node; empty if it has none
	Peer   Place  // the fault's peer; empty if it has none
	Object Object // the fault's object; empty if it has none
}

// Object is what a fault is about beside nodes: a Service or a pod.
type Object struct {
	Name string // NAMESPACE/NAME
	IP   string // its ClusterIP, where rules are about it
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
	Wiring  Wiring                  // what is done to links and routes; empty: nothing
	Object  string                  // what the object is, in capitals, where the target is NodeObject
	// Wide: the other nodes have rules too, where the target is one node.
	Wide bool
	// Isolates: the node cannot join the cluster meanwhile.
	Isolates bool
}

// Chain is a base chain.
type Chain struct {
	Hook     string   // prerouting, forward; see vxlanChains on output
	Priority string   // nftables priority
	Rules    []string // each ends in a verdict or a change of the packet
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

// CheckArguments refuses a node and, in the third place, a peer or object that the fault cannot take.
func (f Fault) CheckArguments(node, third string) error {
	switch {
	case f.Target == Everywhere && node != "":
		return fmt.Errorf("fault %s takes no node: it breaks every node", f.Name)
	case f.Target != Everywhere && node == "":
		return fmt.Errorf("fault %s needs a node: %s", f.Name, f.Usage())
	case (f.Target == Everywhere || f.Target == Node) && third != "":
		return fmt.Errorf("fault %s takes no more than a node: %s", f.Name, f.Usage())
	case (f.Target == NodeToPeer || f.Target == NodeObject) && third == "":
		return fmt.Errorf("fault %s needs more than a node: %s", f.Name, f.Usage())
	case f.Target == NodeObject && !isObject(third):
		return fmt.Errorf("fault %s: %q is not NAMESPACE/NAME", f.Name, third)
	case third != "" && third == node:
		return fmt.Errorf("fault %s: %s cannot be its own peer", f.Name, node)
	}
	return nil
}

// Usage is the fault as it is written on the command line.
func (f Fault) Usage() string {
	return f.Name + map[Target]string{
		Everywhere: "", Node: " NODE", NodePeer: " NODE [PEER]", NodeToPeer: " NODE PEER", NodeObject: " NODE NAMESPACE/" + f.Object,
	}[f.Target]
}

// isObject tells whether a text is NAMESPACE/NAME. Both become part of a table's name.
func isObject(text string) bool { return validObject.MatchString(text) }

var validObject = regexp.MustCompile(`^[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}$`)

// TableName is the nftables table (family inet) of a fault in force.
func (f Fault) TableName(site Site) string {
	name := "lab-fault-" + f.Name
	for _, part := range []string{site.Broken.Node, site.Peer.Node, site.Object.Name} {
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
	fmt.Fprintf(&script, "table inet %s {\n", f.TableName(site))
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
	return deleteTable("inet " + f.TableName(site))
}

// deleteTable adds the table first, for nftables fails to delete one that is not there.
func deleteTable(table string) string { return "table " + table + "\ndelete table " + table + "\n" }
