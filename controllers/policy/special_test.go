// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"testing"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

const icmp v1alpha1.Protocol = ""

// TestSpecialEnds: ends that are no pods, or not only pods.
func TestSpecialEnds(t *testing.T) {
	const (
		deny    = "x/deny: {policyTypes: [Ingress, Egress]}"
		inBlock = "x/p: {ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}"
		web     = "203.0.113.7"
		service = "10.96.0.10:443"
	)
	type want struct {
		verdict Verdict
		why     Why
		exempt  Exempt
	}
	left := func(why Why) want { return want{verdict: ImplementationDefined, why: why} }
	allow, denied := want{verdict: Allow}, want{verdict: Deny}
	self, local := want{verdict: Allow, exempt: ExemptSelf}, want{verdict: Allow, exempt: ExemptLocalNode}
	cases := []struct {
		name                string
		policy              string
		source, destination string
		service             string
		protocol            v1alpha1.Protocol
		direction           Direction
		want                want
	}{
		{"a pod to itself, in", deny, "x/a", "x/a", "", "TCP", Ingress, self},
		{"a pod to itself, out", deny, "x/a", "x/a", "", "UDP", Egress, self},
		{"a pod pings itself", deny, "x/a", "x/a", "", icmp, Ingress, self},
		{"a pod to itself through a Service", deny, "x/a", "x/a", service, "TCP", Ingress, left(WhyHairpin)},
		{"the same where it is admitted", "x/p: {ingress: [{}]}", "x/a", "x/a", service, "TCP", Ingress, allow},

		{"the own node to a pod", deny, "node:n1", "x/a", "", "TCP", Ingress, local},
		{"a pod to its own node", deny, "x/a", "node:n1@192.168.0.1", "", "TCP", Egress, local},
		{"another node to a pod", deny, "node:n2@192.168.0.2", "x/a", "", "TCP", Ingress, denied},
		{"a pod to another node", deny, "x/a", "node:n2@192.168.0.2", "", "TCP", Egress, denied},
		{"another node, a rule for everybody", "x/p: {ingress: [{}]}", "node:n2@192.168.0.2", "x/a", "", "TCP", Ingress, allow},
		{"no selector selects a node", "x/p: {ingress: [{from: [{podSelector: {}}, {namespaceSelector: {}}]}]}", "node:n2@192.168.0.2", "x/a", "", "TCP", Ingress, denied},
		{"another node, a block with it", inBlock, "node:n2@10.9.9.9", "x/a", "", "TCP", Ingress, left(WhyIPBlock)},
		{"another node, a block without what is known of it", inBlock, "node:n2@192.168.0.2", "x/a", "", "TCP", Ingress, left(WhyIPBlock)},
		{"another node, a block of the other family", inBlock, "node:n2@fd01::2", "x/a", "", "TCP", Ingress, denied},
		{"to another node in a block", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.168.0.0/24}}]}]}", "x/a", "node:n2@192.168.0.2", "", "TCP", Egress, left(WhyIPBlock)},
		{"to another node not in a block", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 192.168.1.0/24}}]}]}", "x/a", "node:n2@192.168.0.2", "", "TCP", Egress, denied},
		{"a node has no policies", "x/p: {}", "x/a", "node:n2@192.168.0.2", "", "TCP", Ingress, allow},

		{"ping without policies", "z/p: {}", "w/a", "x/a", "", icmp, Ingress, allow},
		{"ping of an isolated pod", deny, "w/a", "x/a", "", icmp, Ingress, left(WhyProtocol)},
		{"ping that everybody may", "x/p: {ingress: [{}]}", "w/a", "x/a", "", icmp, Ingress, left(WhyProtocol)},

		{"from outside", deny, web, "x/a", "", "TCP", Ingress, denied},
		{"from outside, in a block", "x/p: {ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}", web, "x/a", "", "TCP", Ingress, allow},
		{"from outside, in an exception", "x/p: {ingress: [{from: [{ipBlock: {cidr: 203.0.0.0/16, except: [203.0.113.0/24]}}]}]}", web, "x/a", "", "TCP", Ingress, denied},
		{"from outside through a Service", "x/p: {ingress: [{from: [{ipBlock: {cidr: 192.168.0.0/24}}]}]}", web, "x/a", service, "TCP", Ingress, left(WhyIPBlock)},
		{"to outside, in a block", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}", "x/a", web, "", "TCP", Egress, allow},
		{"to outside by IPv6, an IPv4 block", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}", "x/a", "2001:db8::7", "", "TCP", Egress, denied},
		{"to outside by IPv6", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: '::/0', except: ['2001:db9::/32']}}]}]}", "x/a", "2001:db8::7", "", "TCP", Egress, allow},
		{"to outside by IPv6, in an exception", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: '::/0', except: ['2001:db8::/32']}}]}]}", "x/a", "2001:db8::7", "", "TCP", Egress, denied},
		{"a named port outside", "x/p: {policyTypes: [Egress], egress: [{ports: [{port: serve-80}]}]}", "x/a", web, "", "TCP", Egress, denied},
		{"outside, an IPv4 address within IPv6", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: '::ffff:203.0.113.0/120'}}]}]}", "x/a", "::ffff:203.0.113.7", "", "TCP", Egress, allow},
		{"the metadata address", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}]}]}", "x/a", "169.254.169.254", "", "TCP", Egress, denied},

		{"a pod in a block", inBlock, "w/a", "x/a", "", "TCP", Ingress, left(WhyIPBlock)},
		{"a pod not in a block", "x/p: {ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/16}}]}]}", "w/a", "x/a", "", "TCP", Ingress, denied},
		{"a pod in a block and selected", "x/p: {ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}, {namespaceSelector: {}}]}]}", "w/a", "x/a", "", "TCP", Ingress, allow},
		{"a pod in a block on another port", "x/p: {ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 81}]}]}", "w/a", "x/a", "", "TCP", Ingress, denied},
		{"a Service in a block", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.96.0.0/16}}]}]}", "x/a", "w/a", service, "TCP", Egress, left(WhyIPBlock)},
		{"a Service in a block, on its port", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.96.0.0/16}}], ports: [{port: 443}]}]}", "x/a", "w/a", service, "TCP", Egress, left(WhyIPBlock)},
		{"a Service in a block, its port otherwise", "x/p: {policyTypes: [Egress], egress: [{to: [{podSelector: {}, namespaceSelector: {}}], ports: [{port: 443}]}]}", "x/a", "w/a", service, "TCP", Egress, denied},
		{"the Service's port and the pod's address", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/16}}], ports: [{port: 443}]}]}", "x/a", "w/a", service, "TCP", Egress, denied},
		{"a Service for everybody on its port", "x/p: {policyTypes: [Egress], egress: [{ports: [{port: 443}]}]}", "x/a", "w/a", service, "TCP", Egress, denied},
		{"a Service to outside, block before", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.96.0.0/16}}]}]}", "x/a", web, service, "TCP", Egress, left(WhyIPBlock)},
		{"a Service to outside, block after", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}", "x/a", web, service, "TCP", Egress, left(WhyIPBlock)},
		{"a Service to outside, block of all", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}", "x/a", web, service, "TCP", Egress, allow},
		{"a Service to outside, block of neither", "x/p: {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.97.0.0/16}}]}]}", "x/a", web, service, "TCP", Egress, denied},

		{"in to a pod on the host", deny, "w/a", "x/host", "", "TCP", Ingress, left(WhyHostNetwork)},
		{"out of a pod on the host", deny, "x/host", "w/a", "", "TCP", Egress, left(WhyHostNetwork)},
		{"a pod on the host that is admitted", "x/p: {ingress: [{}]}", "w/a", "x/host", "", "TCP", Ingress, allow},
		{"from a pod on the host, selected", "x/p: {ingress: [{from: [{podSelector: {matchLabels: {pod: host}}}]}]}", "x/host", "x/b", "", "TCP", Ingress, left(WhyHostNetwork)},
		{"from a pod on the host, not selected", "x/p: {ingress: [{from: [{podSelector: {matchLabels: {pod: a}}}]}]}", "x/host", "x/b", "", "TCP", Ingress, denied},
		{"from a pod on the host, everybody", "x/p: {ingress: [{}]}", "x/host", "x/b", "", "TCP", Ingress, allow},
		{"from a pod on the host, in a block", inBlock, "x/host", "x/b", "", "TCP", Ingress, left(WhyIPBlock)},
		{"from a pod on the host, on the own node", deny, "x/host", "x/a", "", "TCP", Ingress, local},
		{"to a pod on the host, on the own node", deny, "x/a", "x/host", "", "TCP", Egress, local},
		{"to a pod on the host by a named port", "x/p: {policyTypes: [Egress], egress: [{ports: [{port: serve-80}]}]}", "x/b", "x/host", "", "TCP", Egress, left(WhyHostNetwork)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newTown(t, c.policy)
			w.set(&plan.Pod{
				UID: "host", Key: name("x", "host"), Labels: map[string]string{"pod": "host"}, Node: "n1", HostNetwork: true,
				IPs: []netip.Addr{netip.MustParseAddr("192.168.0.1")}, Ports: []plan.ContainerPort{{Name: "serve-80", Port: 80, Protocol: "TCP"}},
			})
			f := w.flow(c.source, c.destination, 80)
			f.Protocol = c.protocol
			if c.protocol == icmp {
				f.Port = 0
			}
			if c.service != "" {
				f.Service = netip.MustParseAddrPort(c.service)
			}
			result := w.Evaluate(f)
			d := result.Ingress
			if c.direction == Egress {
				d = result.Egress
			}
			if got := (want{d.Verdict, d.Why, d.Exempt}); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			checkDecision(t, d)
		})
	}
}

// checkDecision holds a decision against its own documentation.
func checkDecision(t interface {
	Helper()
	Errorf(string, ...any)
}, d Decision) {
	t.Helper()
	if d.Verdict != Allow && d.Verdict != Deny && d.Verdict != ImplementationDefined {
		t.Errorf("verdict %q", d.Verdict)
	}
	if (d.Why != "") != (d.Verdict == ImplementationDefined) {
		t.Errorf("verdict %s, why %q", d.Verdict, d.Why)
	}
	if d.Admitting != nil && (d.Verdict != Allow || d.Exempt != "") || d.Nearest != nil && d.Verdict != Deny || d.Undecided != nil && d.Verdict != ImplementationDefined {
		t.Errorf("rules that do not belong to the verdict: %+v", d)
	}
	if d.Verdict == Allow && (len(d.Isolating) == 0) != (d.Admitting == nil && d.Exempt == "") {
		t.Errorf("an Allow that is not explained: %+v", d)
	}
	if d.Verdict != Allow && len(d.Isolating) == 0 {
		t.Errorf("nothing isolates: %+v", d)
	}
	if m := d.Nearest; m != nil {
		for _, text := range []string{m.Wants, m.Got} {
			if text == "" || len(text) > MaxText || clip(text, MaxText) != text {
				t.Errorf("text %q of %d bytes", text, len(text))
			}
		}
		if m.Clause == "" || m.Policy.Name == "" {
			t.Errorf("a miss without a clause or policy: %+v", m)
		}
	}
}
