// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package draft

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// findPorts of a workload: those over TCP that its containers, Services, the
// rules about it or checks name. A process may listen on others, of which nobody
// knows.
func (d *drafter) findPorts(w *workload) {
	w.ports = nil
	first := w.pods[0]
	add := func(port int32) {
		if port > 0 && port <= 65535 && !slices.Contains(w.ports, port) {
			w.ports = append(w.ports, port)
		}
	}
	for _, c := range containers(d.raw[string(first.UID)]) {
		for _, p := range c.Ports {
			if tcp(p.Protocol) {
				add(p.ContainerPort)
			}
		}
	}
	for i := range d.in.Services {
		s := &d.in.Services[i]
		if !d.serves(s, w) {
			continue
		}
		for j := range s.Spec.Ports {
			if p := &s.Spec.Ports[j]; tcp(p.Protocol) {
				add(number(targetPort(p), first))
			}
		}
	}
	for _, key := range d.index.Isolating(first, policy.Ingress) {
		for _, rule := range d.index.Policy(key).Spec.Ingress {
			for _, p := range rule.Ports {
				if p.Port != nil && (p.Protocol == nil || tcp(*p.Protocol)) {
					add(number(*p.Port, first))
				}
			}
		}
	}
	d.portsOfChecks(w, add)
	slices.Sort(w.ports)
}

// portsOfChecks are those that checks aim at the workload by.
func (d *drafter) portsOfChecks(w *workload, add func(int32)) {
	first := w.pods[0]
	for i := range d.in.Checks {
		c := &d.in.Checks[i]
		for j := range c.Spec.Paths {
			to := c.Spec.Paths[j].To.Pods
			if to == nil || to.Protocol == v1alpha1.ProtocolUDP || !d.meansNamespace(c, to.NamespaceSelector, first.Key.Namespace) {
				continue
			}
			if selects(&to.PodSelector, first) {
				add(number(to.Port, first))
			}
		}
	}
}

func selects(s *metav1.LabelSelector, p *plan.Pod) bool {
	if s == nil {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(p.Labels))
}

// declared is the path, as CHECK/PATH, of a check of the namespace that declares
// this of a connection; empty if none does.
func (d *drafter) declared(expect v1alpha1.Expectation, source, target *workload, port int32) string {
	for i := range d.in.Checks {
		c := &d.in.Checks[i]
		if c.Namespace != d.in.Namespace {
			continue
		}
		for j := range c.Spec.Paths {
			p := &c.Spec.Paths[j]
			if cmp.Or(p.Expect, v1alpha1.ExpectAllow) != expect || p.From.Pods == nil || !selects(p.From.Pods.PodSelector, source.pods[0]) {
				continue
			}
			to := p.To.Pods
			if to != nil && to.NamespaceSelector == nil && selects(&to.PodSelector, target.pods[0]) && number(to.Port, target.pods[0]) == port ||
				p.To.Service != nil && d.leadsTo(p.To.Service, target, port) {
				return c.Name + "/" + p.Name
			}
		}
	}
	return ""
}

// leadsTo is true for a port of a Service behind which a workload's port is.
func (d *drafter) leadsTo(to *v1alpha1.ServiceTarget, w *workload, port int32) bool {
	for i := range d.in.Services {
		s := &d.in.Services[i]
		if s.Name != to.Name || to.Namespace != "" && to.Namespace != s.Namespace || !d.serves(s, w) {
			continue
		}
		for j := range s.Spec.Ports {
			p := &s.Spec.Ports[j]
			if (to.Port.String() == p.Name || to.Port.IntVal == p.Port) && number(targetPort(p), w.pods[0]) == port {
				return true
			}
		}
	}
	return false
}

func (d *drafter) meansNamespace(c *v1alpha1.ConnectivityCheck, selector *metav1.LabelSelector, namespace string) bool {
	if selector == nil {
		return c.Namespace == namespace
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return false
	}
	for _, n := range d.index.Namespaces() {
		if n.Name == namespace {
			return s.Matches(labels.Set(n.Labels))
		}
	}
	return s.Matches(labels.Set{corev1.LabelMetadataName: namespace})
}

// containers that run as long as the pod does.
func containers(p *corev1.Pod) []corev1.Container {
	if p == nil {
		return nil
	}
	out := slices.Clone(p.Spec.Containers)
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			out = append(out, c)
		}
	}
	return out
}

func tcp(p corev1.Protocol) bool { return p == "" || p == corev1.ProtocolTCP }

// number of a port that may be a name of the pod's; 0 if it has none of that
// name.
func number(port intstr.IntOrString, p *plan.Pod) int32 {
	if port.Type == intstr.Int {
		return port.IntVal
	}
	for _, c := range p.Ports {
		if c.Name == port.StrVal && c.Protocol == v1alpha1.ProtocolTCP {
			return c.Port
		}
	}
	return 0
}

func targetPort(p *corev1.ServicePort) intstr.IntOrString {
	if p.TargetPort == (intstr.IntOrString{}) {
		return intstr.FromInt32(p.Port)
	}
	return p.TargetPort
}

// serves is true for a Service whose selector means all pods of a workload.
func (d *drafter) serves(s *corev1.Service, w *workload) bool {
	return s.Namespace == w.pods[0].Key.Namespace && len(s.Spec.Selector) > 0 && !slices.ContainsFunc(w.pods, func(p *plan.Pod) bool {
		return !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(p.Labels))
	})
}

// targetOf a path that must work: the Service that stands for the workload alone
// and leads to the port, or else its pods.
func (d *drafter) targetOf(w *workload, port int32) v1alpha1.Target {
	for i := range d.in.Services {
		s := &d.in.Services[i]
		if !d.serves(s, w) || s.Spec.Type == corev1.ServiceTypeExternalName || d.count(s) != len(w.pods) {
			continue
		}
		for j := range s.Spec.Ports {
			p := &s.Spec.Ports[j]
			same := tcp(p.Protocol) && !slices.ContainsFunc(w.pods, func(pod *plan.Pod) bool { return number(targetPort(p), pod) != port })
			if same {
				return v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: s.Name, Port: intstr.FromInt32(p.Port)}}
			}
		}
	}
	return podsTarget(w, port, "")
}

// count the pods behind a Service.
func (d *drafter) count(s *corev1.Service) int {
	n := 0
	for _, p := range d.index.Pods(s.Namespace) {
		if labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(p.Labels)) {
			n++
		}
	}
	return n
}

// podsTarget is a port of a workload's pods, in another namespace where one is
// named.
func podsTarget(w *workload, port int32, namespace string) v1alpha1.Target {
	to := &v1alpha1.PodsTarget{PodSelector: *w.selector(), Port: intstr.FromInt32(port)}
	if namespace != "" {
		to.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}}
	}
	return v1alpha1.Target{Pods: to}
}

// portText is an entry of a rule's ports, for people.
func portText(p *networkingv1.NetworkPolicyPort) string {
	text := "TCP"
	if p.Protocol != nil {
		text = string(*p.Protocol)
	}
	if p.Port != nil {
		text += " " + p.Port.String()
	}
	return text
}
