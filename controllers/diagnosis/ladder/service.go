// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder

import (
	"fmt"
	"math"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/words"
)

// chance that a Service whose endpoints are not all known to answer failed by
// them: below it, it is not by chance that it always did.
const chance = 0.01

// service: what is behind the Service's own address is to blame, or, if all of it
// answers the very same source, what leads there.
func service(p *Pair) *Finding {
	s := p.Service
	if s == nil || p.isDNS() || !p.silent() {
		return nil
	}
	b := p.lookBehind(s.Endpoints, func(e *Endpoint) (*Finding, bool) { return p.outside(s, e) })
	switch {
	case !b.known:
		return nil
	case len(b.bad) > 0:
		return b.first()
	case s.Hairpin || !s.persistent(p.Streak):
		return nil
	}
	return s.notLed(p)
}

// persistent is true if it is not by chance that the Service failed so often,
// even if each endpoint that was not tried is bad.
func (s *Service) persistent(streak int) bool {
	tried := len(s.Endpoints)
	switch {
	case streak < 2 || s.Ready < 0:
		return false
	case s.Ready <= tried:
		return true
	case s.Sticky:
		return false
	}
	return math.Pow(float64(s.Ready-tried)/float64(s.Ready), float64(streak)) < chance
}

// notLed: the address of a Service does not lead to its endpoints.
func (s *Service) notLed(p *Pair) *Finding {
	f := &Finding{
		Rung: v1alpha1.RungService, Reason: v1alpha1.ReasonServiceNotProgrammed, Object: "Service " + s.Name + " on " + p.SourceNode.Name, On: p.SourceNode.Real,
	}
	f.Text = fmt.Sprintf("the address of Service %s does not lead to its endpoints on %s: %s tried answers by its own address", s.Name, p.SourceNode.Name,
		words.Plural(len(s.Endpoints), "the only one that was", "each of the %d that were"))
	switch {
	case s.Balancer:
		f.Reason, f.Object, f.On = v1alpha1.ReasonLoadBalancerBroken, "Service "+s.Name, ""
		f.Text = fmt.Sprintf("the load balancer of Service %s does not lead to its endpoints from %s, though %s tried answers by its own address: see the load balancer, and kube-proxy on %s",
			s.Name, p.SourceNode.Name, words.Plural(len(s.Endpoints), "the only one that was", "each of the %d that were"), p.SourceNode.Name)
	case s.OthersFail > 0:
		f.Reason, f.Object = v1alpha1.ReasonProxyBroken, p.SourceNode.Name
		f.On, f.Nodes = "", []string{p.SourceNode.Real}
		f.Text += fmt.Sprintf(", and %s: see kube-proxy, or what stands in its place, on %s",
			words.Plural(s.OthersFail, "1 other Service that is tested from there fails in the same way", "%d other Services that are tested from there fail in the same way"), p.SourceNode.Name)
	case s.OthersWork > 0:
		f.Text += fmt.Sprintf(", and other Services work there: see the rules that kube-proxy, or what stands in its place, made for it on %s", p.SourceNode.Name)
	default:
		f.Text += fmt.Sprintf(": see kube-proxy, or what stands in its place, on %s", p.SourceNode.Name)
	}
	return f
}

// outside: an endpoint that is on none of the cluster's nodes, or is a node, does
// not answer this one: what is behind the API server's Service, mostly.
func (p *Pair) outside(s *Service, e *Endpoint) (*Finding, bool) {
	switch {
	case !e.Outside && (e.Way == nil || !e.Way.Host || e.Way.Nodes.Fact != Works):
		return nil, false
	case p.From == v1alpha1.SourcePods && !p.Elsewhere:
		return nil, false // it may be what the pod itself is connected by
	}
	f := &Finding{Rung: v1alpha1.RungEndpoints, Reason: v1alpha1.ReasonEndpointUnreachable, Object: e.Name}
	f.Text = fmt.Sprintf("%s, behind Service %s, does not answer %s by its own address either%s: see whether it runs, and routes and firewalls between the two",
		e.Name, s.Name, p.SourceNode.Name, e.Seen.saw())
	return f, true
}
