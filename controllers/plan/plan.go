// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Settings of the plan; the zero value is filled with defaults.
type Settings struct {
	// Namespace is Netladder's own: checks there may aim at anything.
	Namespace string
	// SizeLimit of one assignment's spec as JSON, in bytes; 0 means 64 KiB.
	SizeLimit int
}

// Cluster is a read-only view of what the plan needs to know.
type Cluster struct {
	// Nodes by name.
	Nodes map[string]*Node
	// Services by namespace and name.
	Services map[types.NamespacedName]*Service
}

// Group is one kind of probe of one path, over all of its sources. In a
// node's assignment it becomes the ProbeGroup with the same key.
type Group struct {
	// Key of the group: check namespace, check name, path name and kind,
	// separated by slashes.
	Key string
	// Kind of probe.
	Kind v1alpha1.ProbeKind
	// Content is the first part of ProbeGroup.Hash.
	Content string
	// Sources are the names of the nodes whose prober holds the group, sorted.
	// Read-only: groups may share it.
	Sources []string
}

// LeftOut says what did not fit into an assignment.
type LeftOut struct {
	// GroupKey of the group.
	GroupKey string
	// Kept of the members that were Wanted; 0 means the group was dropped.
	Kept, Wanted int
}

// Assignment is what one node's prober has to do.
type Assignment struct {
	// Node is the name of the node, and of the ProbeAssignment.
	Node string
	// Spec to write.
	Spec v1alpha1.ProbeAssignmentSpec
	// LeftOut because of the size limit, sorted by key.
	LeftOut []LeftOut
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
	// Now decides the epoch of the mesh windows.
	Now time.Time
}

// Resolve says what one check means on the cluster.
func Resolve(check *v1alpha1.ConnectivityCheck, c *Cluster, s Settings, now time.Time) *Resolved {
	panic("stub")
}

// Assign puts one node's part of all checks together. resolved is sorted by
// check; previous may be nil.
func Assign(node string, resolved []*Resolved, c *Cluster, s Settings, previous *v1alpha1.ProbeAssignment) Assignment {
	panic("stub")
}

// Build plans the whole cluster: the assignments of all nodes that have a
// prober, sorted by node.
func Build(in Input) []Assignment { panic("stub") }

// ProbeRate is how many probes per second an assignment starts.
func ProbeRate(spec *v1alpha1.ProbeAssignmentSpec) float64 { panic("stub") }

// ParseGroupKey takes the key of a group apart.
func ParseGroupKey(key string) (check types.NamespacedName, path string, kind v1alpha1.ProbeKind, ok bool) {
	panic("stub")
}

// Dirty is what changes touched.
type Dirty struct {
	// Nodes whose assignment may have changed, sorted.
	Nodes []string
	// Checks whose Resolved was made anew, sorted.
	Checks []types.NamespacedName
}

// Engine keeps a cluster and what its checks mean on it. It is not safe for
// concurrent use.
type Engine struct{}

// NewEngine returns an empty engine. Advance must be called before the first
// Set.
func NewEngine(s Settings) *Engine { panic("stub") }

// SetNode adds or changes a node. The engine keeps n: do not change it.
func (e *Engine) SetNode(n *Node) { panic("stub") }

// DeleteNode removes a node.
func (e *Engine) DeleteNode(name string) { panic("stub") }

// SetService adds or changes a Service. The engine keeps s: do not change it.
func (e *Engine) SetService(s *Service) { panic("stub") }

// DeleteService removes a Service.
func (e *Engine) DeleteService(key types.NamespacedName) { panic("stub") }

// SetCheck adds or changes a check. The engine keeps c: do not change it.
func (e *Engine) SetCheck(c *v1alpha1.ConnectivityCheck) { panic("stub") }

// DeleteCheck removes a check.
func (e *Engine) DeleteCheck(key types.NamespacedName) { panic("stub") }

// Advance brings the engine to now: mesh windows move with their epochs.
func (e *Engine) Advance(now time.Time) { panic("stub") }

// NextAdvance is when Advance would change something; zero if never.
func (e *Engine) NextAdvance() time.Time { panic("stub") }

// TakeDirty returns what was touched since it was last called.
func (e *Engine) TakeDirty() Dirty { panic("stub") }

// Resolved is what a check means; nil if the check is unknown.
func (e *Engine) Resolved(check types.NamespacedName) *Resolved { panic("stub") }

// Assign makes the assignment of a node; false if the node is unknown or has
// no prober.
func (e *Engine) Assign(node string, previous *v1alpha1.ProbeAssignment) (Assignment, bool) {
	panic("stub")
}

// Node returns a node as it was set; nil if unknown.
func (e *Engine) Node(name string) *Node { panic("stub") }
