// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Dirty is what changes touched.
type Dirty struct {
	// Nodes whose assignment may have changed, sorted; among them those that
	// lost their prober or are gone.
	Nodes []string
	// Checks whose Resolved was made anew, sorted; among them deleted ones.
	Checks []types.NamespacedName
}

// Engine keeps a cluster and what its checks mean on it. Changes are only
// noted when they are set, and worked on together at the next question, so
// that a thousand of them cost little more than one. It is not safe for
// concurrent use.
type Engine struct {
	settings Settings
	view     *view
	checks   map[types.NamespacedName]*checkState
	// resolved of all checks, sorted by check.
	resolved []*Resolved
	probers  int
	ledger   *ledger

	pending pending
	dirty   struct {
		nodes  map[string]struct{}
		checks map[types.NamespacedName]struct{}
	}
	// kept are the bad pairs that the last assignment of a node kept behind
	// its windows.
	kept map[string][]keptPair
	// wired are, by the name of a node, the nodes whose last assignment wanted
	// a wire to it; wires is the same the other way round.
	wired map[string]map[string]struct{}
	wires map[string][]string
	// readers of pods.
	readers readers
	doubts  doubts
	next    time.Time
}

type checkState struct {
	compiled *compiledCheck
	// alone is what the check means without regard to others, resolved what it
	// means after they have had their share of the budgets.
	alone, resolved *Resolved
	// readSets and readIPs are what readers have noted of it.
	readSets []string
	readIPs  []netip.Addr
}

// pending are the changes that were not worked on yet.
type pending struct {
	// nodes as they were before the change; nil if they were not there.
	nodes map[string]*Node
	// services that changed, and what of them.
	services map[types.NamespacedName]serviceChange
	checks   map[types.NamespacedName]struct{}
	// serviceIPs are cluster IPs that Services got or lost.
	serviceIPs []netip.Addr
	// pods and namespaces as they were before the change; nil if they were not
	// there.
	pods       map[types.UID]*Pod
	namespaces map[string]*Namespace
	// advanced is true if an epoch may have ended.
	advanced bool
	// doubts is true if reports make others.
	doubts bool
}

func (p *pending) empty() bool {
	return len(p.nodes)+len(p.services)+len(p.checks)+len(p.pods)+len(p.namespaces) == 0 && !p.advanced && !p.doubts
}

// keptPair is a pair behind the window of a group: a mesh target by the name
// of its node, or any address or pod.
type keptPair struct {
	group *Group
	node  string
}

// NewEngine returns an empty engine. Advance must be called once before the
// first Set.
func NewEngine(s Settings) *Engine {
	e := &Engine{
		settings: s,
		view: newView(&Cluster{
			Nodes: map[string]*Node{}, Services: map[types.NamespacedName]*Service{},
			Pods: map[types.UID]*Pod{}, Namespaces: map[string]*Namespace{},
		}, time.Time{}),
		checks:  map[types.NamespacedName]*checkState{},
		kept:    map[string][]keptPair{},
		wired:   map[string]map[string]struct{}{},
		wires:   map[string][]string{},
		readers: newReaders(),
		doubts:  doubts{bySource: map[string][]Doubt{}},
		ledger:  newLedger(s.Budgets),
	}
	e.clear()
	return e
}

func (e *Engine) clear() {
	e.pending = pending{
		nodes:      map[string]*Node{},
		services:   map[types.NamespacedName]serviceChange{},
		checks:     map[types.NamespacedName]struct{}{},
		pods:       map[types.UID]*Pod{},
		namespaces: map[string]*Namespace{},
	}
	if e.dirty.nodes == nil {
		e.dirty.nodes = map[string]struct{}{}
		e.dirty.checks = map[types.NamespacedName]struct{}{}
	}
}

// SetNode adds or changes a node. The engine keeps n: do not change it.
func (e *Engine) SetNode(n *Node) {
	old := e.view.cluster.Nodes[n.Name]
	e.view.cluster.Nodes[n.Name] = n
	if !sameNode(old, n) {
		e.noteNode(n.Name, old)
	}
}

// DeleteNode removes a node.
func (e *Engine) DeleteNode(name string) {
	if old, ok := e.view.cluster.Nodes[name]; ok {
		delete(e.view.cluster.Nodes, name)
		e.noteNode(name, old)
	}
}

func (e *Engine) noteNode(name string, old *Node) {
	if _, ok := e.pending.nodes[name]; !ok {
		e.pending.nodes[name] = old
	}
}

// sameNode says whether the plan reads the same from both.
func sameNode(a, b *Node) bool {
	return a != nil && b != nil && a.UID == b.UID && a.Prober == b.Prober &&
		maps.Equal(a.Labels, b.Labels) && slices.Equal(a.IPs, b.IPs) && sameEcho(a, b) && a.Canary.Equal(b.Canary) && sameTunnels(a, b)
}

func sameEcho(a, b *Node) bool {
	if !asTarget.plays(a) || !asTarget.plays(b) {
		return asTarget.plays(a) == asTarget.plays(b)
	}
	return a.Echo.UID == b.Echo.UID && slices.Equal(a.Echo.IPs, b.Echo.IPs)
}

// SetService adds or changes a Service. The engine keeps s: do not change it.
func (e *Engine) SetService(s *Service) {
	old := e.view.cluster.Services[s.Key]
	e.view.cluster.Services[s.Key] = s
	e.changeServiceIPs(s.Key, old, s)
	if change := changeOf(old, s); change != 0 {
		e.pending.services[s.Key] |= change
	}
}

// DeleteService removes a Service.
func (e *Engine) DeleteService(key types.NamespacedName) {
	if old, ok := e.view.cluster.Services[key]; ok {
		delete(e.view.cluster.Services, key)
		e.changeServiceIPs(key, old, nil)
		e.pending.services[key] |= changedService
	}
}

// SetCheck adds or changes a check. The engine does not keep c.
func (e *Engine) SetCheck(c *v1alpha1.ConnectivityCheck) {
	key := types.NamespacedName{Namespace: c.Namespace, Name: c.Name}
	compiled := compile(c, e.settings)
	state, ok := e.checks[key]
	if !ok {
		state = &checkState{}
		e.checks[key] = state
	}
	if ok && state.compiled.fingerprint == compiled.fingerprint {
		return
	}
	state.compiled = compiled
	e.pending.checks[key] = struct{}{}
}

// DeleteCheck removes a check.
func (e *Engine) DeleteCheck(key types.NamespacedName) {
	state, ok := e.checks[key]
	if !ok {
		return
	}
	delete(e.checks, key)
	e.pending.checks[key] = struct{}{}
	e.readers.replace(key, state, nil)
	e.ledger.replace(key, nil)
	e.markGroups(state.resolved)
	if i, ok := e.find(key); ok {
		e.resolved = slices.Delete(e.resolved, i, i+1)
	}
}

// Advance brings the engine to now: windows move with their epochs.
func (e *Engine) Advance(now time.Time) {
	if next := e.NextAdvance(); now.Before(e.view.now) || !next.IsZero() && !now.Before(next) {
		e.pending.advanced = true
	}
	e.view.now = now
}

// NextAdvance is when Advance would change something; zero if never.
func (e *Engine) NextAdvance() time.Time {
	e.flush()
	return e.next
}

// TakeDirty returns what was touched since it was last called.
func (e *Engine) TakeDirty() Dirty {
	e.flush()
	d := Dirty{
		Nodes:  slices.Sorted(maps.Keys(e.dirty.nodes)),
		Checks: slices.SortedFunc(maps.Keys(e.dirty.checks), compareKeys),
	}
	clear(e.dirty.nodes)
	clear(e.dirty.checks)
	return d
}

// Resolved is what a check means; nil if the check is unknown. It is never
// changed afterwards.
func (e *Engine) Resolved(check types.NamespacedName) *Resolved {
	e.flush()
	if state, ok := e.checks[check]; ok {
		return state.resolved
	}
	return nil
}

// Assign makes the assignment of a node; false if the node is unknown or has
// no prober. The spec shares memory with the engine: copy it before changing
// it.
func (e *Engine) Assign(node string, previous *v1alpha1.ProbeAssignment) (Assignment, bool) {
	e.flush()
	if !asSource.plays(e.view.cluster.Nodes[node]) {
		e.keep(node, nil)
		return Assignment{}, false
	}
	a := newAssigner(e.view.cluster, e.settings, e.probers)
	drafts := a.drafts(node, e.resolved, previous)
	e.keep(node, drafts)
	return a.finish(node, drafts, e.doubts.byNode[node]), true
}

// keep notes the pairs behind the windows: their targets are in no window, so
// nothing else says which node has to hear when they change.
func (e *Engine) keep(node string, drafts []draft) {
	var pairs []keptPair
	var wanted []string
	for i := range drafts {
		d := &drafts[i]
		wanted = append(wanted, d.wanted...)
		if !d.keeps() {
			continue
		}
		if d.group.mesh == nil {
			pairs = append(pairs, keptPair{group: d.group})
			continue
		}
		for _, name := range d.names[d.window:] {
			pairs = append(pairs, keptPair{group: d.group, node: name})
		}
	}
	e.wire(node, wanted)
	if len(pairs) == 0 {
		delete(e.kept, node)
		return
	}
	e.kept[node] = pairs
}

// wire notes to which nodes an assignment wants a wire, for the same reason.
func (e *Engine) wire(node string, wanted []string) {
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	if slices.Equal(wanted, e.wires[node]) {
		return
	}
	for _, name := range e.wires[node] {
		delete(e.wired[name], node)
		if len(e.wired[name]) == 0 {
			delete(e.wired, name)
		}
	}
	if len(wanted) == 0 {
		delete(e.wires, node)
		return
	}
	e.wires[node] = wanted
	for _, name := range wanted {
		if e.wired[name] == nil {
			e.wired[name] = map[string]struct{}{}
		}
		e.wired[name][node] = struct{}{}
	}
}

// Node returns a node as it was set; nil if unknown.
func (e *Engine) Node(name string) *Node { return e.view.cluster.Nodes[name] }

// Service returns a Service as it was set; nil if unknown.
func (e *Engine) Service(key types.NamespacedName) *Service { return e.view.cluster.Services[key] }

func (e *Engine) find(key types.NamespacedName) (int, bool) {
	return slices.BinarySearchFunc(e.resolved, key, func(r *Resolved, key types.NamespacedName) int {
		return compareKeys(r.Check, key)
	})
}
