// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Settings of the plan; zero fields mean their defaults.
type Settings struct {
	// Namespace is Netladder's own: checks there may aim at anything.
	Namespace string
	// SizeLimit of one assignment's spec as JSON, in bytes; 0 means 64 KiB.
	SizeLimit int
	// Level of the probers: what needs more is Unsupported. Empty means
	// Restricted.
	Level v1alpha1.Level
	// NoCanary is true where there are no canary pods.
	NoCanary bool
	// Budgets of probes.
	Budgets Budgets
}

// defaultSizeLimit of a spec in bytes.
const defaultSizeLimit = 64 << 10

func (s Settings) sizeLimit() int {
	if s.SizeLimit <= 0 {
		return defaultSizeLimit
	}
	return s.SizeLimit
}

// Cluster is a read-only view of what the plan needs to know.
type Cluster struct {
	// Nodes by name.
	Nodes map[string]*Node
	// Services by namespace and name.
	Services map[types.NamespacedName]*Service
	// Pods by UID.
	Pods map[types.UID]*Pod
	// Namespaces by name.
	Namespaces map[string]*Namespace
}

// Input of Build.
type Input struct {
	// Checks in any order.
	Checks []*v1alpha1.ConnectivityCheck
	// Cluster as it is.
	Cluster *Cluster
	// Settings of the plan.
	Settings Settings
	// Previous assignments by node, with their status; may be nil.
	Previous map[string]*v1alpha1.ProbeAssignment
	// Now decides the epoch of the windows.
	Now time.Time
}

// Resolve says what one check means on the cluster. Of other checks it knows
// nothing, so that their share in the budgets is not taken into account.
func Resolve(check *v1alpha1.ConnectivityCheck, c *Cluster, s Settings, now time.Time) *Resolved {
	return resolveAll([]*v1alpha1.ConnectivityCheck{check}, c, s, now)[0]
}

// resolveAll says what checks mean together, sorted by check.
func resolveAll(checks []*v1alpha1.ConnectivityCheck, c *Cluster, s Settings, now time.Time) []*Resolved {
	v, l := newView(c, now), newLedger(s.Budgets)
	resolved := make([]*Resolved, 0, len(checks))
	for _, check := range checks {
		r := v.resolve(compile(check, s))
		l.replace(r.Check, r.demands)
		resolved = append(resolved, r)
	}
	l.settle()
	for i, r := range resolved {
		resolved[i] = r.stretchedBy(l.demands[r.Check], l.budget)
	}
	slices.SortFunc(resolved, func(a, b *Resolved) int { return compareKeys(a.Check, b.Check) })
	return resolved
}

// Assign puts one node's part of all checks together. resolved is sorted by
// check; previous may be nil. The spec shares memory with resolved: copy it
// before changing it.
func Assign(node string, resolved []*Resolved, c *Cluster, s Settings, previous *v1alpha1.ProbeAssignment) Assignment {
	a := newAssigner(c, s, probers(c.Nodes))
	return a.assign(node, resolved, previous, nil)
}

// Build plans the whole cluster: the assignments of all nodes that have a
// prober, sorted by node.
func Build(in Input) []Assignment {
	resolved := resolveAll(in.Checks, in.Cluster, in.Settings, in.Now)
	nodes := selectNodes(in.Cluster.Nodes, everyNode(), asSource)
	a := newAssigner(in.Cluster, in.Settings, nodes.len())
	all := doubts{bySource: map[string][]Doubt{}}
	for name, previous := range in.Previous {
		all.bySource[name] = Doubts(previous)
	}
	near := all.index(newView(in.Cluster, in.Now), in.Settings.Namespace)
	out := make([]Assignment, 0, nodes.len())
	for _, name := range nodes.names {
		out = append(out, a.assign(name, resolved, in.Previous[name], near[name]))
	}
	return out
}

func compareKeys(a, b types.NamespacedName) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

func probers(nodes map[string]*Node) int {
	n := 0
	for _, node := range nodes {
		if node.Prober {
			n++
		}
	}
	return n
}

// heartbeat of a fleet of probers: at most eight reports per second in all,
// and no more often than every minute. It doubles rather than grows, because
// each change of it rewrites every assignment.
func heartbeat(probers int) time.Duration {
	d := time.Minute
	for d < time.Duration(probers)*time.Second/8 {
		d *= 2
	}
	return d
}
