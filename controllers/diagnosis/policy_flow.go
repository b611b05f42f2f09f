// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"net/netip"
	"regexp"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/policy"
)

// clusterDNSNamespace is where the nameservers of a cluster mostly are.
const clusterDNSNamespace = "kube-system"

const nameserverPort = 53

// maxBehind is how many endpoints behind one address are asked about. Behind one
// that has more, nothing is said: what is true of some may not be of the others.
const maxBehind = 100

// dialled is how a pair was probed.
type dialled struct {
	pair  pair
	group *v1alpha1.ProbeGroup
	// node of the prober.
	node string
	// hidden is true if only the target's namespace may be shown.
	hidden bool
	// streak, cause and said are how often in a row it was bad, why as far as the
	// prober knows, and what it saw, as reported.
	streak      int32
	cause, said string
	// badSince is when the first of its bad probes in a row began, by the prober's
	// clock; zero where that is not known.
	badSince time.Time
	// began is when it began to fail, also as an earlier prober saw it.
	began time.Time
}

// flow is one connection that a probe was, or may have been, with how its ends
// are called.
type flow struct {
	policy.Flow
	source, destination string
	// lookup is true if the destination is a nameserver.
	lookup bool
	// unnamed is true for a pod that the check came upon by its address, and of
	// which it must not learn whose it is.
	unnamed bool
}

// flows that a pair that is shown may have been, as policies see them: one for
// each endpoint behind a ClusterIP. None if that is not known.
func (e *explainer) flows(t *tally, w *worst) []flow {
	d := &w.dialled
	base := flow{source: w.show.Source, destination: w.show.Target}
	switch d.group.From {
	case v1alpha1.SourcePods:
		if d.pair.pod == nil {
			return nil
		}
		base.Source.Pod = e.index.Pod(types.UID(d.pair.pod.UID))
	case v1alpha1.SourceHost:
		base.Source.Node, base.source = d.node, "node "+d.node
	default:
		base.source = "the prober on " + d.node
		if facts := e.in.Nodes[d.node]; facts != nil && facts.Prober != nil {
			base.Source.Pod = e.index.Pod(types.UID(facts.Prober.UID))
		}
	}
	if base.Source.Pod == nil && base.Source.Node == "" {
		return nil
	}
	out := e.destinations(t, w, base)
	for i := range out {
		e.look(&out[i].Source)
		e.look(&out[i].Destination)
	}
	return out
}

// look notes that an answer depends on an end.
func (e *explainer) look(p *policy.Peer) {
	if p.Pod != nil {
		e.looked[p.Pod.Key.Namespace] = struct{}{}
	}
}

// destinations completes a flow.
func (e *explainer) destinations(t *tally, w *worst, base flow) []flow {
	p, g := &w.dialled.pair, w.dialled.group
	base.Protocol, base.Port = v1alpha1.ProtocolTCP, int32(p.addr.Port())
	switch {
	case g.Kind == v1alpha1.ProbeDNS || p.target == nil && w.show.Verdict == v1alpha1.VerdictDNSTimeout:
		return e.nameservers(w, base)
	case p.target == nil && p.node == "": // a hostname: which address was dialled is not known
		return nil
	case p.target == nil:
		base.destination = "the echo pod on " + p.node
		return e.echo(w, base)
	}
	if p.target.Protocol != "" {
		base.Protocol = p.target.Protocol
	}
	if g.Kind == v1alpha1.ProbeICMP || base.Port == 0 {
		base.Protocol, base.Port = "", 0
	}
	base.Destination.IP = p.addr.Addr()
	if p.target.UID != "" {
		base.Destination.Pod = e.index.Pod(types.UID(p.target.UID))
		if base.Destination.Pod == nil {
			return nil
		}
		return []flow{e.named(base)}
	}
	if t.translated {
		return nil // which source address a policy sees is up to the plugin
	}
	return e.behind(base, p.addr, t.service)
}

// echo completes a flow to an echo pod.
func (e *explainer) echo(w *worst, base flow) []flow {
	p, g := &w.dialled.pair, w.dialled.group
	if base.Destination.Pod = e.index.Pod(types.UID(p.echoUID)); base.Destination.Pod == nil {
		return nil
	}
	base.Destination.IP, base.Port = p.addr.Addr(), g.Port
	switch g.Kind {
	case v1alpha1.ProbeMeshUDP:
		base.Protocol = v1alpha1.ProtocolUDP
	case v1alpha1.ProbeMeshICMP:
		base.Protocol, base.Port = "", 0
	}
	return []flow{base}
}

// named gives the pod at the far end the name by which it may be called.
func (e *explainer) named(f flow) flow {
	if pod := f.Destination.Pod; pod != nil {
		f.destination = e.podName(pod.Key.Namespace, pod.Key.Name)
		if e.secret(pod.Key.Namespace) {
			f.destination = "a pod of namespace " + pod.Key.Namespace
		}
	}
	return f
}

// behind completes flows to an address, which may be that of a Service. Pods are
// named only of a namespace that the check has named itself, or may see.
func (e *explainer) behind(base flow, at netip.AddrPort, namespace string) []flow {
	s := e.view.ServiceAt(at.Addr())
	if s == nil {
		return []flow{e.at(base, at, namespace)}
	}
	e.looked[s.Key.Namespace] = struct{}{}
	base.Service = at
	var out []flow
	for i := range s.Ports {
		port := &s.Ports[i]
		protocol := port.Protocol
		if protocol == "" {
			protocol = v1alpha1.ProtocolTCP
		}
		if port.Port != base.Port || protocol != base.Protocol {
			continue
		}
		if len(port.Endpoints) > maxBehind {
			return nil
		}
		for _, endpoint := range port.Endpoints {
			if endpoint.Addr().Is4() != at.Addr().Is4() {
				continue
			}
			out = append(out, e.at(base, endpoint, namespace))
		}
	}
	return out
}

// at completes a flow to what has an address.
func (e *explainer) at(f flow, at netip.AddrPort, namespace string) flow {
	// Not the node that an EndpointSlice names: anybody may write one.
	f.Destination = policy.Peer{Node: e.view.NodeAt(at.Addr()), IP: at.Addr()}
	f.Port = int32(at.Port())
	if f.Destination.Node == "" {
		f.Destination.Pod = e.view.PodAt(at.Addr())
	}
	if pod := f.Destination.Pod; pod != nil && e.secret(pod.Key.Namespace) && pod.Key.Namespace != namespace {
		f.unnamed = true
		return f
	}
	return e.named(f)
}

// atServer finds the nameserver in what a prober saw, such as "A example.com. at
// 10.96.0.10: no answer within 1s".
var atServer = regexp.MustCompile(` at ([0-9A-Fa-f:.]{2,45}): `)

// asked is the server that a lookup went to: the only one there is, or the one
// that the evidence names.
func (w *worst) asked() (netip.AddrPort, bool) {
	if at := w.dialled.pair.addr; at.IsValid() {
		return at, true
	}
	found := atServer.FindStringSubmatch(w.show.Evidence)
	if found == nil {
		return netip.AddrPort{}, false
	}
	server, err := netip.ParseAddr(found[1])
	return netip.AddrPortFrom(server.Unmap(), nameserverPort), err == nil
}

// nameservers completes flows of a lookup.
func (e *explainer) nameservers(w *worst, base flow) []flow {
	at, ok := w.asked()
	if !ok {
		return nil
	}
	server := at.Addr()
	base.Protocol, base.Port, base.lookup = v1alpha1.ProtocolUDP, int32(at.Port()), true
	base.destination, base.Destination.IP = "the nameserver "+server.String(), server
	if dns := w.dialled.group.DNS; dns != nil {
		if dns.Transport == v1alpha1.DNSOverTCP {
			base.Protocol = v1alpha1.ProtocolTCP
		}
		if dns.Resolver == v1alpha1.DNSEachReplica && e.secret(clusterDNSNamespace) {
			base.destination = "a server of the cluster's DNS"
		}
	}
	// Everybody knows whose the nameservers of the cluster are, but a pod may
	// name others.
	out := e.behind(base, at, clusterDNSNamespace)
	for i := range out {
		out[i].destination = base.destination
	}
	return out
}
