// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

const (
	// maxDoubts is how many targets one report makes doubtful.
	maxDoubts = 16
	// maxDoubted is how many targets one node looks at.
	maxDoubted = 8
	// connectedAfter stands in what a prober saw of a connection that stalled.
	connectedAfter = "connected after "
)

// Doubt is an address and port that a check does not reach over TCP though all
// else on its node is reached: whoever is nearer has to look.
type Doubt struct {
	// Check whose pair fails.
	Check types.NamespacedName
	// At is the address.
	At netip.AddrPort
}

func compareDoubts(a, b Doubt) int {
	return cmp.Or(a.At.Compare(b.At), compareKeys(a.Check, b.Check))
}

// Doubts reads from what a prober reports which targets their own node has to
// look at, sorted: those of pairs that fail in silence, and those behind a Service
// that fails, if the prober reaches the echo pod beside them. A network that is
// broken between nodes therefore makes none. The status is hostile input: only
// what the assignment names counts.
func Doubts(a *v1alpha1.ProbeAssignment) []Doubt {
	if a == nil || len(a.Status.Rungs) == 0 || len(a.Status.NotPassing) == 0 {
		return nil
	}
	d := doubter{spec: &a.Spec, failing: map[string]map[string]bool{}, reached: map[string]bool{}, silent: map[string]bool{}}
	for i := range a.Status.NotPassing {
		if p := &a.Status.NotPassing[i]; p.State == v1alpha1.StateFailing && isSilent(p.Verdict) && !strings.Contains(p.Evidence, connectedAfter) {
			if d.failing[p.Group] == nil {
				d.failing[p.Group] = map[string]bool{}
			}
			d.failing[p.Group][p.Target] = true
		}
	}
	for i := range a.Status.Rungs {
		switch r := &a.Status.Rungs[i]; {
		case r.Rung == v1alpha1.RungPodNetwork && r.Probe == v1alpha1.ProbeMeshTCP && r.Verdict == v1alpha1.VerdictConnected:
			d.reached[r.Target] = true
		case r.Rung == v1alpha1.RungEndpoints && isSilent(r.Verdict):
			d.silent[r.Target] = true
		}
	}
	for i := range a.Spec.Groups {
		if g := &a.Spec.Groups[i]; len(d.reached) > 0 && len(d.failing[g.Key]) > 0 && g.Expect != v1alpha1.ExpectDeny && dialsTCP(g.Kind) {
			d.group(g)
		}
	}
	slices.SortFunc(d.out, compareDoubts)
	d.out = slices.Compact(d.out)
	return d.out[:min(len(d.out), maxDoubts)]
}

// doubter goes through one report.
type doubter struct {
	spec *v1alpha1.ProbeAssignmentSpec
	// failing pairs by the keys of group and pair, reached echo pods by the key of their pair,
	// and endpoints that are silent by theirs.
	failing         map[string]map[string]bool
	reached, silent map[string]bool
	out             []Doubt
}

func (d *doubter) group(g *v1alpha1.ProbeGroup) {
	check, _, _, ok := ParseGroupKey(g.Key)
	if !ok {
		return
	}
	for _, p := range d.spec.Pairs(g) {
		if p.Target == nil || !d.failing[g.Key][p.Key] {
			continue
		}
		d.add(check, p.Addr, p.Target)
		for i := range d.spec.Services {
			s := &d.spec.Services[i]
			if !s.DNS && d.leadsTo(s, p.Target) {
				d.behind(check, s)
			}
		}
	}
}

// leadsTo is true if a target is an address of a Service.
func (d *doubter) leadsTo(s *v1alpha1.AssignedService, t *v1alpha1.AssignedTarget) bool {
	return slices.ContainsFunc(s.Targets, func(row int32) bool {
		return row >= 0 && int(row) < len(d.spec.Targets) && &d.spec.Targets[row] == t
	})
}

// behind adds the endpoints of a Service that are silent.
func (d *doubter) behind(check types.NamespacedName, s *v1alpha1.AssignedService) {
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		ip, err := netip.ParseAddr(e.IP)
		if err != nil || e.Port < 1 || e.Port > 65535 {
			continue
		}
		if at := netip.AddrPortFrom(ip.Unmap(), uint16(e.Port)); d.silent[v1alpha1.TargetPairKey(at, e.Protocol)] {
			d.add(check, at, e)
		}
	}
}

func (d *doubter) add(check types.NamespacedName, at netip.AddrPort, t *v1alpha1.AssignedTarget) {
	if t.Node != "" && t.Protocol != v1alpha1.ProtocolUDP && d.reached[v1alpha1.MeshPairKey(t.Node, at.Addr())] {
		d.out = append(d.out, Doubt{Check: check, At: at})
	}
}

func isSilent(v v1alpha1.Verdict) bool {
	return v == v1alpha1.VerdictDropped || v == v1alpha1.VerdictUnreachable
}

// dialsTCP is true for kinds whose targets are dialled over TCP.
func dialsTCP(k v1alpha1.ProbeKind) bool {
	switch k {
	case v1alpha1.ProbeTCP, v1alpha1.ProbeTCPHalfOpen, v1alpha1.ProbeHTTP, v1alpha1.ProbeTLS, v1alpha1.ProbeGRPC:
		return true
	}
	return false
}

// doubts are those of all reports.
type doubts struct {
	// bySource are those that the report of each node makes, sorted.
	bySource map[string][]Doubt
	// byNode are the pods that each node has to look at, sorted.
	byNode map[string][]doubted
}

// doubted is a target on a node of its own.
type doubted struct {
	at  netip.AddrPort
	pod *Pod
	// checks that do not reach it, sorted.
	checks []types.NamespacedName
}

func (d *doubted) equal(b *doubted) bool {
	return d.at == b.at && sameRows([]*Pod{d.pod}, []*Pod{b.pod}) && slices.Equal(d.checks, b.checks)
}

// index says which node has to look at what. What is learned of a pod must be
// nothing that a check may not know.
func (d *doubts) index(v *view, home string) map[string][]doubted {
	checks := map[netip.AddrPort][]types.NamespacedName{}
	for _, list := range d.bySource {
		for _, one := range list {
			pod := v.podAt(one.At.Addr())
			if pod == nil || one.Check.Namespace != home && one.Check.Namespace != pod.Key.Namespace &&
				one.Check.Namespace != disclosure(v.cluster.Namespaces[pod.Key.Namespace]) {
				continue
			}
			checks[one.At] = append(checks[one.At], one.Check)
		}
	}
	out := map[string][]doubted{}
	for _, at := range slices.SortedFunc(maps.Keys(checks), netip.AddrPort.Compare) {
		pod := v.podAt(at.Addr())
		if len(out[pod.Node]) < maxDoubted {
			slices.SortFunc(checks[at], compareKeys)
			out[pod.Node] = append(out[pod.Node], doubted{at: at, pod: pod, checks: slices.Compact(checks[at])})
		}
	}
	return out
}

// SetDoubts replaces what the report of one node makes doubtful, as Doubts says.
func (e *Engine) SetDoubts(source string, list []Doubt) {
	if slices.Equal(e.doubts.bySource[source], list) {
		return
	}
	e.pending.doubts = true
	if e.doubts.bySource[source] = list; len(list) == 0 {
		delete(e.doubts.bySource, source)
	}
}

// Doubtful are the checks for which a node looks at targets of its own, sorted.
func (e *Engine) Doubtful(node string) []types.NamespacedName {
	e.flush()
	var out []types.NamespacedName
	for _, d := range e.doubts.byNode[node] {
		out = append(out, d.checks...)
	}
	slices.SortFunc(out, compareKeys)
	return slices.Compact(out)
}

// changeDoubts brings up to date which node looks at what, and marks those for
// which that changed. It goes by reports, pods and namespaces alone, and in a large
// cluster something else changes all the time.
func (e *Engine) changeDoubts(p *pending) {
	before := e.doubts.byNode
	if len(before)+len(e.doubts.bySource) == 0 || !p.doubts && len(p.pods)+len(p.namespaces) == 0 {
		return
	}
	e.doubts.byNode = e.doubts.index(e.view, e.settings.Namespace)
	same := func(a, b doubted) bool { return a.equal(&b) }
	for node, list := range before {
		if !slices.EqualFunc(list, e.doubts.byNode[node], same) {
			e.mark(node)
		}
	}
	for node := range e.doubts.byNode {
		if _, ok := before[node]; !ok {
			e.mark(node)
		}
	}
}

// doubts lets a node look at targets of its own, as far as there is room: nothing
// that is probed makes way for them. Their rows stand behind all others.
func (a *assigner) doubts(out *rendered, list []doubted) {
	for i := range list {
		d := &list[i]
		row, more := targetRowOf(rowKey{target: target{addr: d.at, node: d.pod.Node, uid: d.pod.UID}})
		size := more + memberSize
		if len(out.spec.Doubts) == 0 {
			size += doubtsRow
		}
		pod, more := podRowOf(d.pod)
		_, known := out.tables.pods[d.pod.UID]
		if !known {
			size += more
		}
		if out.size+size > a.limit || len(out.spec.Targets) >= maxTargets || len(out.spec.Pods) >= maxPods {
			return
		}
		out.size += size
		out.spec.Doubts = append(out.spec.Doubts, int32(len(out.spec.Targets)))
		out.spec.Targets = append(out.spec.Targets, row)
		if !known {
			out.tables.pods[d.pod.UID] = int32(len(out.spec.Pods))
			out.spec.Pods = append(out.spec.Pods, pod)
		}
	}
}
