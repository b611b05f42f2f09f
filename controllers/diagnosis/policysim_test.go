// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// policySim is the path of denySim in a cluster with policies. Pods are labelled
// app=web and app=db, namespaces kubernetes.io/metadata.name; the probers are
// pods of netladder-system.
type policySim struct {
	*denySim
	// index is nil while policies are not known.
	index    *policy.Index
	planned  map[string]*plan.Pod // by name
	services []*plan.Service
	nodeIPs  map[netip.Addr]string
	changes  map[string][]diagnosis.PolicyChange // by namespace
	pods     map[types.UID]time.Time             // that changed
	spaces   map[string]time.Time                // that changed
	// looked are the namespaces that the judgement said it depends on.
	looked []string
	reads  int
}

func newPolicies() *policySim {
	s := &policySim{
		denySim: newDeny(), index: policy.NewIndex(), planned: map[string]*plan.Pod{}, changes: map[string][]diagnosis.PolicyChange{},
		pods: map[types.UID]time.Time{}, spaces: map[string]time.Time{},
	}
	for _, name := range []string{"commerce", "netladder-system", "kube-system"} {
		s.space(name, nil)
	}
	s.plant()
	for i, name := range s.names() {
		prober := s.nodes[name].facts.Prober
		s.index.SetPod(&plan.Pod{
			UID: types.UID(prober.UID), Key: types.NamespacedName{Namespace: "netladder-system", Name: "netladder-prober-" + name},
			Labels: map[string]string{"app.kubernetes.io/component": "prober"}, Node: name, IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 244, byte(i), 3})},
		})
	}
	return s
}

func (s *policySim) space(name string, labels map[string]string) {
	all := map[string]string{"kubernetes.io/metadata.name": name}
	for k, v := range labels {
		all[k] = v
	}
	s.index.SetNamespace(&plan.Namespace{Name: name, Labels: all})
}

// plant tells the index of the pods of the simulation.
func (s *policySim) plant() {
	for name, p := range s.denySim.pods {
		app, _, _ := strings.Cut(name, "-")
		pod := &plan.Pod{
			UID: types.UID(p.uid), Key: types.NamespacedName{Namespace: p.facts.Namespace, Name: p.facts.Name}, Node: p.facts.Node,
			Labels: map[string]string{"app": app}, IPs: []netip.Addr{netip.MustParseAddr(p.ip)},
		}
		if old := s.planned[name]; old != nil {
			pod.Labels, pod.Ports = old.Labels, old.Ports
		}
		s.planned[name] = pod
		s.index.SetPod(pod)
	}
}

// relabel a pod.
func (s *policySim) relabel(name string, labels map[string]string) *policySim {
	pod := *s.planned[name]
	pod.Labels = labels
	s.planned[name] = &pod
	s.index.SetPod(&pod)
	return s
}

// policy with a selector of pods by one label, and the YAML of its rules.
func (s *policySim) policy(p *networkingv1.NetworkPolicy) *policySim {
	s.index.SetPolicy(p)
	return s
}

func (s *policySim) changed(before, after *networkingv1.NetworkPolicy, ago time.Duration) *policySim {
	namespace := ""
	for _, p := range []*networkingv1.NetworkPolicy{before, after} {
		if p != nil {
			namespace = p.Namespace
		}
	}
	s.changes[namespace] = append(s.changes[namespace], diagnosis.PolicyChange{At: s.now.Add(-ago), Before: before, After: after})
	return s
}

// drop makes pairs fail that must work.
func (s *policySim) drop(web, db string) *policySim {
	s.pair(web, db, failingAs(v1alpha1.VerdictDropped))
	return s
}

func (s *policySim) judge() v1alpha1.PathStatus { return s.summarize().Paths[0] }

func (s *policySim) summarize() diagnosis.Summary {
	in := s.input()
	in.Policies = s
	return diagnosis.Summarize(in)
}

// Read implements diagnosis.Policies.
func (s *policySim) Read(f func(diagnosis.PolicyView) []string) {
	s.reads++
	s.looked = f(policySimView{s})
}

type policySimView struct{ s *policySim }

func (v policySimView) Index() *policy.Index { return v.s.index }

func (v policySimView) PodAt(ip netip.Addr) *plan.Pod {
	for _, p := range v.s.planned {
		if slices.Contains(p.IPs, ip) {
			return p
		}
	}
	return nil
}

func (v policySimView) NodeAt(ip netip.Addr) string { return v.s.nodeIPs[ip] }

func (v policySimView) ServiceAt(ip netip.Addr) *plan.Service {
	for _, s := range v.s.services {
		if slices.Contains(s.ClusterIPs, ip) {
			return s
		}
	}
	return nil
}

func (v policySimView) PolicyChanges(namespace string) []diagnosis.PolicyChange {
	return v.s.changes[namespace]
}

func (v policySimView) PodChangedAt(uid types.UID) time.Time { return v.s.pods[uid] }

func (v policySimView) NamespaceChangedAt(name string) time.Time { return v.s.spaces[name] }

// denyAll isolates the pods of a namespace that a selector matches.
func denyAll(namespace, name string, app string, types ...networkingv1.PolicyType) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	p.Spec.PolicyTypes = types
	if app != "" {
		p.Spec.PodSelector.MatchLabels = map[string]string{"app": app}
	}
	return p
}
