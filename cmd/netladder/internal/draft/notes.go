// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package draft

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
	"github.com/netladder/netladder/controllers/policy/suggest"
)

// notePolicies says what of the policies no path can test.
func (d *drafter) notePolicies() {
	for _, object := range d.index.Policies(d.in.Namespace) {
		selected := d.index.Selected(types.NamespacedName{Namespace: object.Namespace, Name: object.Name})
		if len(selected) == 0 {
			text := fmt.Sprintf("%s selects no pod, so that it protects nothing", object.Name)
			if question := suggest.Question(suggest.For(&object.Spec.PodSelector, suggest.Pods(d.index.Pods(object.Namespace)))); question != "" {
				text += ": " + question
			}
			d.note("%s", text)
			continue
		}
		for i := range object.Spec.Ingress {
			r := &object.Spec.Ingress[i]
			at := policy.Rule{Policy: types.NamespacedName{Namespace: object.Namespace, Name: object.Name}, Index: i}
			d.noteRule(at, policy.Ingress, r.From, r.Ports, selected)
		}
		for i := range object.Spec.Egress {
			r := &object.Spec.Egress[i]
			at := policy.Rule{Policy: types.NamespacedName{Namespace: object.Namespace, Name: object.Name}, Index: i}
			d.noteRule(at, policy.Egress, r.To, r.Ports, nil)
		}
	}
}

// noteRule says what of one rule is not tested. targets are the pods that a rule
// of ingress is about.
func (d *drafter) noteRule(at policy.Rule, direction policy.Direction, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort, targets []*plan.Pod) {
	for i := range peers {
		at.Peer = i
		where := at.Policy.Name + " " + clause(direction, &at)
		switch {
		case peers[i].IPBlock != nil:
			d.note("%s is the ipBlock %s: write a path to.host with an address and a port that matter to you", where, peers[i].IPBlock.CIDR)
		case !d.matches(&peers[i], at.Policy.Namespace):
			d.note("%s matches no pod that you may see", where)
		}
	}
	at.Peer = -1
	where := at.Policy.Name + " " + clause(direction, &at)
	for i := range ports {
		p := &ports[i]
		switch {
		case p.Protocol != nil && *p.Protocol == corev1.ProtocolUDP && p.Port != nil && p.Port.IntVal == 53 && direction == policy.Egress:
		case p.Protocol != nil && *p.Protocol != corev1.ProtocolTCP:
			d.note("%s, %s: only TCP is tested, for silence by %s proves nothing", where, portText(p), *p.Protocol)
		case p.EndPort != nil:
			d.note("%s, ports %s to %d: only the first, and those that are known to be used, are tested", where, p.Port.String(), *p.EndPort)
		case p.Port != nil && p.Port.Type == intstr.String && direction == policy.Ingress && !anyHas(targets, *p.Port):
			d.note("%s, port %s: no pod that the policy selects has a port of that name", where, p.Port.StrVal)
		}
	}
}

func anyHas(pods []*plan.Pod, port intstr.IntOrString) bool {
	return slices.ContainsFunc(pods, func(p *plan.Pod) bool { return number(port, p) != 0 })
}

// matches is true for a peer that means some pod that is known.
func (d *drafter) matches(peer *networkingv1.NetworkPolicyPeer, own string) bool {
	selector := func(s *metav1.LabelSelector) labels.Selector {
		if s == nil {
			return labels.Everything()
		}
		out, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			return labels.Nothing()
		}
		return out
	}
	pods, namespaces := selector(peer.PodSelector), selector(peer.NamespaceSelector)
	spaces := d.index.Namespaces()
	if peer.NamespaceSelector == nil {
		spaces = []*plan.Namespace{{Name: own}}
	}
	for _, n := range spaces {
		if peer.NamespaceSelector != nil && !namespaces.Matches(labels.Set(n.Labels)) {
			continue
		}
		if slices.ContainsFunc(d.index.Pods(n.Name), func(p *plan.Pod) bool { return pods.Matches(labels.Set(p.Labels)) }) {
			return true
		}
	}
	return false
}

// lookedUp is a name that every cluster has.
const lookedUp = "kubernetes.default.svc"

// names53 drafts the lookups of a workload whose egress is isolated.
func (d *drafter) names53(source *workload) {
	if len(d.index.Isolating(source.pods[0], policy.Egress)) == 0 {
		return
	}
	service, servers := d.dns()
	if len(servers) == 0 {
		d.note("whether %s may look up names is not tested: you may not see the cluster's DNS", source.name)
		return
	}
	allowed := false
	for _, each := range []struct {
		protocol  v1alpha1.Protocol
		transport v1alpha1.DNSTransport
	}{{v1alpha1.ProtocolUDP, v1alpha1.DNSOverUDP}, {v1alpha1.ProtocolTCP, v1alpha1.DNSOverTCP}} {
		f := policy.Flow{Source: policy.Peer{Pod: source.pods[0]}, Protocol: each.protocol, Service: service}
		verdict, why := policy.Allow, ""
		for _, server := range servers {
			f.Destination, f.Port = policy.Peer{Pod: server.pod}, server.port
			r := d.index.Evaluate(f)
			if r.Verdict != policy.Allow {
				verdict = r.Verdict
			}
			why = d.admitted(&r)
		}
		switch verdict {
		case policy.Allow:
			allowed = true
			path := v1alpha1.Path{
				From: v1alpha1.Source{Pods: &v1alpha1.PodsSource{PodSelector: source.selector()}},
				To:   v1alpha1.Target{DNS: &v1alpha1.DNSTarget{Name: lookedUp, Transport: each.transport}},
			}
			d.add(&d.paths, path, source.name+"-looks-up-names-"+map[bool]string{true: "udp", false: "tcp"}[each.protocol == v1alpha1.ProtocolUDP], why)
		case policy.ImplementationDefined:
			allowed = true
			d.note("whether %s may look up names by %s is left to the network plugin", source.name, each.protocol)
		}
	}
	if !allowed {
		d.note("%s may not look up names, which is rarely meant: see docs/findings.md, EgressWithoutDNS", source.name)
	}
}

// server of the cluster's DNS.
type server struct {
	pod  *plan.Pod
	port int32
}

// dnsServices are the names under which the cluster's DNS is found.
func dnsServices() []types.NamespacedName {
	return []types.NamespacedName{
		{Namespace: "kube-system", Name: "kube-dns"}, {Namespace: "kube-system", Name: "coredns"},
		{Namespace: "kube-system", Name: "rke2-coredns-rke2-coredns"}, {Namespace: "openshift-dns", Name: "dns-default"},
	}
}

// dns is the address of the cluster's DNS and what is behind it, as far as known.
func (d *drafter) dns() (netip.AddrPort, []server) {
	for _, key := range dnsServices() {
		for i := range d.in.Services {
			s := &d.in.Services[i]
			if s.Namespace != key.Namespace || s.Name != key.Name || len(s.Spec.Selector) == 0 {
				continue
			}
			var servers []server
			for _, p := range d.index.Pods(s.Namespace) {
				if !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(p.Labels)) {
					continue
				}
				port := int32(53)
				for j := range s.Spec.Ports {
					if sp := &s.Spec.Ports[j]; sp.Port == 53 && tcp(sp.Protocol) && number(targetPort(sp), p) != 0 {
						port = number(targetPort(sp), p)
					}
				}
				servers = append(servers, server{p, port})
			}
			ip, _ := netip.ParseAddr(s.Spec.ClusterIP)
			return netip.AddrPortFrom(ip, 53), servers
		}
	}
	return netip.AddrPort{}, nil
}

func (d *drafter) isDNS(p *plan.Pod) bool {
	_, servers := d.dns()
	return slices.ContainsFunc(servers, func(s server) bool { return s.pod == p })
}
