// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
)

const (
	denyKey     = "commerce/db/deny/TCPHalfOpen"
	wireKey     = "commerce/db/deny/Wire"
	listenerKey = "commerce/db/deny/Listener"
	controlKey  = "commerce/db/deny/HostControl"
)

// simPod is a workload pod.
type simPod struct {
	uid, ip string
	facts   diagnosis.WorkloadPod
}

// denySim is a path from the pods web-0 on node1 and web-1 on node2 to the
// pods db-0 on node2 and db-1 on node3, which must be blocked: four pairs.
type denySim struct {
	*sim
	pods       map[string]*simPod // by name
	web, db    []string
	path       plan.ResolvedPath
	disclosing map[string]bool
	settings   diagnosis.Settings
	// main is the group of the path without its pairs.
	main v1alpha1.ProbeGroup
	// targets are those that are no pods: then the path has no others.
	targets []v1alpha1.AssignedTarget
	proofs  []v1alpha1.ProbeKind
}

func newDeny() *denySim {
	d := &denySim{sim: newSim(), pods: map[string]*simPod{}, settings: diagnosis.Settings{Namespace: "netladder-system"}}
	for _, n := range []string{"node1", "node2", "node3"} {
		d.addNode(n, t0.Add(-time.Hour))
	}
	d.check.Namespace, d.check.Name = "commerce", "db"
	d.check.Spec.Paths = []v1alpha1.Path{{Name: "deny", Expect: v1alpha1.ExpectDeny, To: v1alpha1.Target{Pods: &v1alpha1.PodsTarget{}}}}
	d.add("web-0", "node1", "10.244.0.10")
	d.add("web-1", "node2", "10.244.1.11")
	d.add("db-0", "node2", "10.244.1.10")
	d.add("db-1", "node3", "10.244.2.10")
	d.web, d.db = []string{"web-0", "web-1"}, []string{"db-0", "db-1"}
	d.main = group(denyKey, v1alpha1.ProbeTCPHalfOpen)
	d.main.From, d.main.Expect = v1alpha1.SourcePods, v1alpha1.ExpectDeny
	d.proofs = []v1alpha1.ProbeKind{v1alpha1.ProbeListener, v1alpha1.ProbeWire}
	d.assignDeny("1")
	for _, n := range d.nodes {
		n.report.ChangedAt = t0.Add(-time.Hour)
	}
	d.heartbeat()
	return d
}

func (d *denySim) add(name, node, ip string) {
	d.pods[name] = &simPod{uid: "uid-" + name, ip: ip, facts: diagnosis.WorkloadPod{
		Namespace: "commerce", Name: name, Node: node, StartedAt: t0.Add(-time.Hour)}}
}

// assignDeny writes every node's spec as the plan would.
func (d *denySim) assignDeny(pairs string) {
	wire, listener, control := group(wireKey, v1alpha1.ProbeWire), group(listenerKey, v1alpha1.ProbeListener), group(controlKey, v1alpha1.ProbeHostControl)
	wire.Port, control.From = plan.EchoPort, v1alpha1.SourceHost
	groups := map[v1alpha1.ProbeKind]*plan.Group{}
	for _, g := range []*v1alpha1.ProbeGroup{&d.main, &wire, &listener, &control} {
		_, kind, _ := strings.Cut(g.Key, "deny/")
		g.Hash, g.FailureThreshold = kind+"-"+pairs, 1
		groups[g.Kind] = &plan.Group{Key: g.Key, Kind: g.Kind, Content: kind}
	}
	for _, name := range d.names() {
		spec := v1alpha1.ProbeAssignmentSpec{Heartbeat: metav1.Duration{Duration: time.Minute}}
		m, w, l, c := d.main, wire, listener, control
		for i, target := range d.rows() {
			spec.Targets = append(spec.Targets, target)
			m.Members, c.Members = append(m.Members, int32(i)), append(c.Members, int32(i))
			if target.UID != "" && target.Node == name {
				l.Members = append(l.Members, int32(i))
				spec.Pods = append(spec.Pods, d.row(target.UID))
			}
			at := slices.IndexFunc(spec.Nodes, func(n v1alpha1.AssignedNode) bool { return n.Name == target.Node })
			if n := d.nodes[target.Node]; n != nil && n.facts.Echo != nil && at < 0 {
				w.Members = append(w.Members, int32(len(spec.Nodes)))
				spec.Nodes = append(spec.Nodes, v1alpha1.AssignedNode{Name: target.Node, EchoIPs: []string{"10.244.9.2"}, EchoUID: n.facts.Echo.UID})
			}
		}
		m.Sources = nil
		for _, pod := range d.web {
			if d.pods[pod].facts.Node == name {
				m.Sources = append(m.Sources, int32(len(spec.Pods)))
				spec.Pods = append(spec.Pods, d.row(d.pods[pod].uid))
			}
		}
		if len(m.Sources) > 0 || m.From != v1alpha1.SourcePods {
			spec.Groups = append(spec.Groups, m)
			groups[m.Kind].Sources = append(groups[m.Kind].Sources, name)
			for _, g := range []v1alpha1.ProbeGroup{w, c} {
				if slices.Contains(d.proofs, g.Kind) {
					spec.Groups = append(spec.Groups, g)
					groups[g.Kind].Sources = append(groups[g.Kind].Sources, name)
				}
			}
		}
		if len(l.Members) > 0 && slices.Contains(d.proofs, l.Kind) {
			spec.Groups = append(spec.Groups, l)
			groups[l.Kind].Sources = append(groups[l.Kind].Sources, name)
		}
		d.nodes[name].report.Assignment.Spec = spec
		d.nodes[name].report.ChangedAt = d.now
	}
	d.path = plan.ResolvedPath{Name: "deny", Accepted: true, Undisclosed: d.path.Undisclosed, Groups: []*plan.Group{groups[d.main.Kind]}}
	for _, kind := range d.proofs {
		d.path.Proofs = append(d.path.Proofs, groups[kind])
	}
}

// rows are the targets of the path, and the pods behind them.
func (d *denySim) rows() []v1alpha1.AssignedTarget {
	rows := slices.Clone(d.targets)
	for _, name := range d.db {
		p := d.pods[name]
		rows = append(rows, v1alpha1.AssignedTarget{IP: p.ip, Port: 5432, Node: p.facts.Node, UID: p.uid})
	}
	return rows
}

func (d *denySim) row(uid string) v1alpha1.AssignedPod {
	for _, p := range d.pods {
		if p.uid == uid {
			return v1alpha1.AssignedPod{UID: uid, Namespace: p.facts.Namespace, Name: p.facts.Name, IPs: []string{p.ip}}
		}
	}
	return v1alpha1.AssignedPod{UID: uid}
}

// main pair of two pods.
func (d *denySim) pair(web, db string, r result) *denySim {
	p := d.pods[web]
	return d.result(p.facts.Node, denyKey+p.uid+">"+d.pods[db].ip+":5432", r)
}

func (d *denySim) open(web, db string) *denySim {
	return d.pair(web, db, result{state: v1alpha1.StateFailing, verdict: v1alpha1.VerdictConnected, since: d.now})
}

func (d *denySim) wire(from, to string, r result) *denySim {
	return d.result(from, wireKey+to+"/IPv4", r)
}

func (d *denySim) listener(db string, r result) *denySim {
	p := d.pods[db]
	return d.result(p.facts.Node, listenerKey+p.ip+":5432", r)
}

func (d *denySim) result(node, key string, r result) *denySim {
	if r.since.IsZero() {
		r.since = d.now
	}
	d.nodes[node].results[key] = r
	d.heartbeat()
	return d
}

// group that a node reports on.
func (d *denySim) said(node, key string) *v1alpha1.GroupStatus {
	st := &d.nodes[node].report.Assignment.Status
	return &st.Groups[slices.IndexFunc(st.Groups, func(g v1alpha1.GroupStatus) bool { return g.Key == key })]
}

func (d *denySim) input() diagnosis.Input {
	in := d.sim.input()
	in.Settings, in.Disclosing = d.settings, d.disclosing
	in.Resolved = &plan.Resolved{Paths: []plan.ResolvedPath{d.path}}
	in.Pods = map[string]*diagnosis.WorkloadPod{}
	for _, p := range d.pods {
		in.Pods[p.uid] = &p.facts
	}
	return in
}

// gone removes a pod from the world, but not from the assignments.
func (d *denySim) judge(gone ...string) v1alpha1.PathStatus {
	in := d.input()
	for _, name := range gone {
		delete(in.Pods, d.pods[name].uid)
	}
	return diagnosis.Summarize(in).Paths[0]
}

func failingAs(v v1alpha1.Verdict) result {
	return result{state: v1alpha1.StateFailing, verdict: v}
}

func unknownAs(v v1alpha1.Verdict, reason string) result {
	return result{state: v1alpha1.StateUnknown, verdict: v, reason: reason}
}
