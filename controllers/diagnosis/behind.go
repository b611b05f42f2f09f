// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/ladder"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy/suggest"
)

// maxNotReady is how many pods that are not ready a sentence names.
const maxNotReady = 3

// target of a path in the spec; nil for a path that is not in it.
func (e *explainer) target(path string) *v1alpha1.Target {
	for i := range e.in.Check.Spec.Paths {
		if p := &e.in.Check.Spec.Paths[i]; p.Name == path {
			return &p.To
		}
	}
	return nil
}

// serviceKey is the Service that a path aims at; false if it aims at none.
func (e *explainer) serviceKey(path string) (types.NamespacedName, bool) {
	to := e.target(path)
	if to == nil {
		return types.NamespacedName{}, false
	}
	return ServiceKey(e.in.Check.Namespace, to)
}

// ServiceKey is the Service that a target of a check in a namespace is; false if
// it is none.
func ServiceKey(namespace string, to *v1alpha1.Target) (types.NamespacedName, bool) {
	switch {
	case to.Service != nil:
		return types.NamespacedName{Namespace: cmp.Or(to.Service.Namespace, namespace), Name: to.Service.Name}, true
	case to.APIServer != nil:
		return types.NamespacedName{Namespace: metav1.NamespaceDefault, Name: "kubernetes"}, true
	}
	return types.NamespacedName{}, false
}

// service that the pair's target is an address of; nil where it is none, and
// where what is dialled is not what leads to its endpoints.
func (c *climb) service() *ladder.Service {
	key, ok := c.serviceKey(c.t.status.Name)
	d := &c.w.dialled
	if !ok || d.pair.target == nil || d.pair.targetPod() != "" {
		return nil
	}
	row := c.behindRow(d.pair.target)
	if d.pair.node != "" && row == nil {
		return nil
	}
	facts := c.in.Services[key]
	s := &ladder.Service{Name: key.String(), Ready: -1, Through: d.pair.node != "" && d.pair.node != c.src.name}
	if to := c.target(c.t.status.Name); to.Service != nil {
		s.Balancer = to.Service.Via == v1alpha1.ViaLoadBalancer
	}
	c.looked[key.Namespace] = struct{}{}
	if facts != nil {
		port := servicePort(facts, d.pair.target)
		c.facts(s, facts, port)
	}
	if row == nil || s.Through {
		return s
	}
	hidden := c.hides(c.t, key.Namespace)
	for i := range row.Endpoints {
		if at, ok := addrPort(&row.Endpoints[i]); ok && at.Addr().Is4() == c.ipv4 {
			s.Endpoints = append(s.Endpoints, c.endpoint(&row.Endpoints[i], at, key.Namespace, hidden))
		}
	}
	s.OthersWork, s.OthersFail = c.otherServices(row, facts)
	return s
}

// behindRow is the row about what is behind a target; nil without one.
func (c *climb) behindRow(t *v1alpha1.AssignedTarget) *v1alpha1.AssignedService {
	for i := range c.spec.Services {
		s := &c.spec.Services[i]
		for _, row := range s.Targets {
			if row >= 0 && int(row) < len(c.spec.Targets) && sameTarget(&c.spec.Targets[row], t) {
				return s
			}
		}
	}
	return nil
}

func sameTarget(a, b *v1alpha1.AssignedTarget) bool {
	return a.IP == b.IP && a.Port == b.Port && a.Protocol == b.Protocol && a.Node == b.Node && a.UID == b.UID
}

func servicePort(facts *ServiceFacts, t *v1alpha1.AssignedTarget) *plan.ServicePort {
	for i := range facts.Ports {
		p := &facts.Ports[i]
		if (p.Port == t.Port && t.Node == "" || p.NodePort == t.Port && t.Node != "") && (p.Protocol == v1alpha1.ProtocolUDP) == (t.Protocol == v1alpha1.ProtocolUDP) {
			return p
		}
	}
	return nil
}

// facts of a Service that do not come from a prober.
func (c *climb) facts(s *ladder.Service, facts *ServiceFacts, port *plan.ServicePort) {
	s.Sticky = facts.Sticky
	if port == nil {
		return
	}
	s.Ready = 0
	local, nodes := false, len(port.On) == len(port.Endpoints)
	own := c.sourceIPs()
	for i, at := range port.Endpoints {
		if c.known && at.Addr().Is4() != c.ipv4 {
			continue
		}
		s.Ready++
		s.Hairpin = s.Hairpin || slices.Contains(own, at.Addr())
		if nodes {
			nodes = port.On[i] != ""
			local = local || port.On[i] == c.src.name
		}
	}
	s.NoLocal = facts.Local && nodes && !local && s.Ready > 0 && c.w.dialled.pair.node == ""
	if s.Ready == 0 {
		s.Empty = c.empty(facts)
	}
}

// sourceIPs are the addresses of the pair's source, where it is a pod.
func (c *climb) sourceIPs() []netip.Addr {
	if pod := c.w.dialled.pair.pod; pod != nil {
		return addrs(pod.IPs)
	}
	return nil
}

// endpoint as it was tried.
func (c *climb) endpoint(t *v1alpha1.AssignedTarget, at netip.AddrPort, namespace string, hidden bool) ladder.Endpoint {
	seen := c.rows.since(rungKey{c.from, v1alpha1.RungEndpoints, v1alpha1.TargetPairKey(at, t.Protocol)}, c.w.dialled.badSince)
	e := ladder.Endpoint{At: at, Name: at.String(), Seen: c.shown(seen)}
	pod := c.podAt(at.Addr())
	if pod != nil && (!c.secret(pod.Key.Namespace) || pod.Key.Namespace == namespace && !hidden) {
		e.Name = c.podName(pod.Key.Namespace, pod.Key.Name) + ":" + strconv.Itoa(int(at.Port()))
	}
	shown := "the node of " + e.Name
	if hidden {
		e.Name, shown = "an endpoint", "the node of an endpoint"
	}
	c.place(&e, t, at, seen.Text, pod, shown, !hidden)
	return e
}

// place says where an endpoint is: on a node, or outside. An EndpointSlice says
// on which, and whoever wrote it may have meant something else by it.
func (c *climb) place(e *ladder.Endpoint, t *v1alpha1.AssignedTarget, at netip.AddrPort, said string, pod *plan.Pod, shown string, named bool) {
	node, host := t.Node, false
	if n := c.nodeAt(at.Addr()); n != "" {
		node, host = n, true
	} else if pod != nil {
		node = pod.Node
	}
	if node == "" || c.in.Nodes[node] == nil {
		e.Outside = pod == nil && !host && c.view != nil || t.Node == "" && c.view == nil
		return
	}
	if named {
		shown = node
	}
	e.Way = c.way(node, shown)
	e.Way.Host = host
	e.ByNode = c.isOf(node, offenderOf(said))
	if pod != nil && !host {
		e.Near = c.near(at, string(pod.UID), node, !named || c.secret(pod.Key.Namespace))
	}
}

// dns is the cluster's, where the pair depends on it: nil where another
// nameserver was asked.
func (c *climb) dns() *ladder.Service {
	var row *v1alpha1.AssignedService
	for i := range c.spec.Services {
		if c.spec.Services[i].DNS {
			row = &c.spec.Services[i]
			break
		}
	}
	facts := c.in.Services[c.in.DNS]
	asked := c.w.dialled.pair.addr.Addr()
	if found := atServer.FindStringSubmatch(c.w.dialled.said); found != nil && !asked.IsValid() {
		asked, _ = netip.ParseAddr(found[1])
	}
	if asked.IsValid() && !isServer(row, facts, asked.Unmap()) {
		return nil
	}
	s := &ladder.Service{Name: c.in.DNS.String(), Ready: -1}
	if c.in.DNS.Namespace != "" {
		c.looked[c.in.DNS.Namespace] = struct{}{}
	}
	if c.in.DNS.Name == "" {
		s.Name = "of the DNS"
	}
	protocol := v1alpha1.ProtocolUDP
	if d := c.w.dialled.group.DNS; d != nil && d.Transport == v1alpha1.DNSOverTCP {
		protocol = v1alpha1.ProtocolTCP
	}
	if facts != nil {
		if port := servicePort(facts, &v1alpha1.AssignedTarget{Port: 53, Protocol: protocol}); port != nil {
			s.Ready = len(port.Endpoints)
		}
	}
	if row != nil {
		c.servers(s, row, protocol)
		s.OthersWork, s.OthersFail = c.otherServices(row, facts)
	}
	return s
}

// servers as they were asked. Their nodes and names are not for everybody.
func (c *climb) servers(s *ladder.Service, row *v1alpha1.AssignedService, protocol v1alpha1.Protocol) {
	seen := func(at netip.AddrPort) ladder.Seen {
		return c.rows.since(rungKey{c.from, v1alpha1.RungDNS, v1alpha1.TargetPairKey(at, protocol)}, c.w.dialled.badSince)
	}
	for i := range row.Addresses {
		if at, ok := addrPort(&row.Addresses[i]); ok && s.Address.Fact == ladder.Unknown {
			s.Address = c.shown(seen(at))
		}
	}
	hidden := c.secret(clusterDNSNamespace)
	for i := range row.Endpoints {
		t := &row.Endpoints[i]
		at, ok := addrPort(t)
		if !ok {
			continue
		}
		e := ladder.Endpoint{At: at, Name: "server " + at.Addr().String(), Seen: c.shown(seen(at))}
		pod := c.podAt(at.Addr())
		if pod != nil && !c.secret(pod.Key.Namespace) {
			e.Name = c.podName(pod.Key.Namespace, pod.Key.Name)
		}
		if hidden {
			e.Name = "a server"
		}
		c.place(&e, t, at, seen(at).Text, pod, "the node of "+e.Name, !hidden)
		s.Endpoints = append(s.Endpoints, e)
	}
}

// only leaves of the servers the one that the pair asks by its own address, which
// it has seen itself. That others answer the source is remembered.
func (c *climb) only(p *ladder.Pair) {
	d := c.w.dialled.group.DNS
	at := c.w.dialled.pair.addr
	if d == nil || d.Resolver != v1alpha1.DNSEachReplica || !at.IsValid() || p.DNS == nil || !c.known {
		return
	}
	p.Only = true
	var one []ladder.Endpoint
	for _, e := range p.DNS.Endpoints {
		if e.At == at {
			e.Seen = ladder.Seen{Fact: ladder.Fails, Verdict: p.Verdict}
			one = append(one, e)
		} else {
			p.Elsewhere = p.Elsewhere || e.Seen.Fact == ladder.Works
		}
	}
	p.DNS.Endpoints = one
}

// isServer is true for an address of the cluster's DNS, or of one of its servers.
func isServer(row *v1alpha1.AssignedService, facts *ServiceFacts, ip netip.Addr) bool {
	if facts != nil && slices.Contains(facts.ClusterIPs, ip) {
		return true
	}
	if row == nil {
		return false
	}
	for _, t := range slices.Concat(row.Addresses, row.Endpoints) {
		if slices.Contains(addrs([]string{t.IP}), ip) {
			return true
		}
	}
	return false
}

// empty says why a Service has no endpoints, as far as the check may know.
func (e *explainer) empty(facts *ServiceFacts) ladder.Empty {
	out := ladder.Empty{Matched: -1}
	namespace := facts.Key.Namespace
	if e.secret(namespace) {
		return out
	}
	for _, ip := range facts.NotReady {
		if pod := e.podAt(ip); pod != nil && pod.Key.Namespace == namespace && len(out.NotReady) < maxNotReady {
			out.NotReady = append(out.NotReady, e.podName(pod.Key.Namespace, pod.Key.Name))
		}
	}
	slices.Sort(out.NotReady)
	out.NotReady = slices.Compact(out.NotReady)
	out.Pods = max(facts.NotReadyCount, len(out.NotReady))
	if e.index == nil || len(facts.Selector) == 0 {
		return out
	}
	e.looked[namespace] = struct{}{}
	selector := &metav1.LabelSelector{MatchLabels: facts.Selector}
	out.Selector = printable(metav1.FormatLabelSelector(selector), maxTarget)
	pods := e.index.Pods(namespace)
	out.Matched = 0
	for _, pod := range pods {
		if labels.SelectorFromSet(facts.Selector).Matches(labels.Set(pod.Labels)) {
			out.Matched++
		}
	}
	if out.Matched == 0 {
		out.Meant = suggest.Question(suggest.For(selector, suggest.Pods(pods)))
	}
	return out
}

func (e *explainer) podAt(ip netip.Addr) *plan.Pod {
	if e.view == nil {
		return nil
	}
	return e.view.PodAt(ip)
}

func (e *explainer) nodeAt(ip netip.Addr) string {
	if e.view == nil {
		return ""
	}
	return e.view.NodeAt(ip)
}

func (e *explainer) podByUID(uid string) *plan.Pod {
	if e.index == nil {
		return nil
	}
	return e.index.Pod(types.UID(uid))
}
