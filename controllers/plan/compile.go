// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
)

// compiledCheck is what can be said of a check without a cluster.
type compiledCheck struct {
	key   types.NamespacedName
	paths []compiledPath
	// fingerprint of all that was read.
	fingerprint string
}

// compiledPath is one path; either idle or one of mesh, service, pods, nodes,
// host, canary, overlay and dns, or DNS at the sources' own servers, which needs
// nothing.
type compiledPath struct {
	name string
	// namespace of the check, and whether that is not Netladder's own.
	namespace string
	tenant    bool
	// idle is why nothing is probed; nil if something is.
	idle *idle
	// kind of source: pods by fromPods, any other by the nodes in from.
	kind     v1alpha1.SourceKind
	from     selector
	fromPods *podSelector
	// perNode: how many pods of a node are sources at a time.
	perNode int
	// perRound: how many members each source tests in one round.
	perRound int
	probes   []compiledProbe
	deny     *compiledDeny
	mesh     *compiledMesh
	service  *compiledService
	pods     *compiledPods
	nodes    *compiledNodes
	host     *compiledHost
	// canary is the direction of a path to the canary pods; empty for others.
	canary v1alpha1.PolicyDirection
	// overlay is the encapsulation of the tunnels; empty for other targets.
	overlay v1alpha1.Encapsulation
	// dns says which servers of the cluster are asked; empty for other targets.
	dns v1alpha1.DNSResolver
	// protocol of targets; empty for TCP.
	protocol v1alpha1.Protocol
}

// compiledDeny is what proves a Deny path.
type compiledDeny struct{ wire, listener, control compiledProbe }

// idle says why a path has nothing to probe.
type idle struct {
	accepted        bool
	reason, message string
}

// compiledProbe is one kind of probe of a path.
type compiledProbe struct {
	// group without its members.
	group v1alpha1.ProbeGroup
	// content is the first part of the hash.
	content string
	// only says which targets are its.
	only onlyThese
	// size of the group as JSON, without its members.
	size int
	// caBundle of the group's layer; empty for none.
	caBundle string
	// namedByService is true where the server is to be called as the Service is,
	// by default.
	namedByService bool
}

// onlyThese says which of the targets of a path a probe aims at, where there
// is another for the rest.
type onlyThese int

const (
	allTargets onlyThese = iota
	onlyPods
	onlyOthers
	// onlyInside are ends of an overlay, onlyOutside the nodes' own addresses.
	onlyInside
	onlyOutside
)

// holds says whether a target is among them.
func (o onlyThese) holds(t target) bool {
	switch o {
	case allTargets:
		return true
	case onlyInside, onlyOutside:
		return (o == onlyInside) == (t.tunnel != 0)
	default:
		return (o == onlyPods) == (t.uid != "")
	}
}

// toHost is a probe of a host by name, which only the cluster knows.
func (p *compiledProbe) toHost(h *v1alpha1.HostTarget) *compiledProbe {
	out := *p
	out.group.Host = h
	if p.namedByService {
		// It has a name of its own.
		out.group = *out.group.DeepCopy()
		tlsOf(out.group.HTTP, out.group.TLS, out.group.GRPC).ServerName = ""
	}
	out.size = len(mustJSON(out.group))
	return &out
}

type compiledMesh struct {
	to    selector
	scope v1alpha1.MeshScope
}

type compiledService struct {
	key  types.NamespacedName
	port intstr.IntOrString
	via  v1alpha1.ServiceVia
	// apiServer is true for to.apiServer, which is everybody's.
	apiServer bool
	// own is true for Netladder's.
	own bool
}

type compiledPods struct {
	sel  *podSelector
	port intstr.IntOrString
}

// compiledNodes is a port of nodes; 0 to ping them.
type compiledNodes struct {
	sel  selector
	port int32
}

// compiledHost is an address; its zero value stands for a hostname, which is a
// part of the probe.
type compiledHost struct{ addr netip.AddrPort }

// apiServer is the Service behind to.apiServer.
func apiServer() *compiledService {
	return &compiledService{
		key:       types.NamespacedName{Namespace: metav1.NamespaceDefault, Name: "kubernetes"},
		port:      intstr.FromString("https"),
		apiServer: true,
	}
}

func everyNode() selector { return selector{sel: labels.Everything()} }

func compile(check *v1alpha1.ConnectivityCheck, s Settings) *compiledCheck {
	c := &compiledCheck{key: types.NamespacedName{Namespace: check.Namespace, Name: check.Name}}
	c.fingerprint = string(check.UID) + "/" + string(mustJSON(&check.Spec))
	for i := range check.Spec.Paths {
		c.paths = append(c.paths, compilePath(check, i, s))
	}
	return c
}

func compilePath(check *v1alpha1.ConnectivityCheck, i int, s Settings) compiledPath {
	p := withDefaults(&check.Spec.Paths[i], check.Namespace)
	c := compiledPath{
		name: p.Name, namespace: check.Namespace, tenant: check.Namespace != s.Namespace,
		perRound: targetsPerSource(p.Sampling), perNode: sourcesPerNode(p.Sampling),
	}
	if c.idle = refuse(check, p, s); c.idle != nil {
		return c
	}
	if c.idle = c.compileSource(&p.From); c.idle != nil {
		return c
	}
	if c.idle = c.compileTarget(&p.To, s); c.idle != nil {
		return c
	}
	if protocolOf(&p.To) == v1alpha1.ProtocolUDP {
		c.protocol = v1alpha1.ProtocolUDP
	}
	kinds := kindsOf(p, s)
	if len(kinds) == 0 {
		c.idle = unsupported("this version of Netladder knows only the mesh protocols TCP, UDP and ICMP; set one of them in to.mesh.protocols, or upgrade")
	}
	for _, kind := range kinds {
		c.probes = append(c.probes, compileProbe(check, p, kind))
	}
	if c.service != nil && len(kinds) > 1 {
		c.probes[0].only, c.probes[1].only = onlyOthers, onlyPods
	}
	if c.overlay == v1alpha1.EncapsulationIPIP {
		c.probes[0].only, c.probes[1].only, c.probes[2].only = onlyOutside, onlyInside, onlyInside
	}
	if p.Expect == v1alpha1.ExpectDeny {
		c.deny = &compiledDeny{
			wire:     compileProbe(check, p, v1alpha1.ProbeWire),
			listener: compileProbe(check, p, v1alpha1.ProbeListener),
			control:  compileProbe(check, p, v1alpha1.ProbeHostControl),
		}
	}
	return c
}

func (c *compiledPath) compileSource(from *v1alpha1.Source) (why *idle) {
	var err error
	switch {
	case from.Pods != nil:
		c.kind = v1alpha1.SourcePods
		c.fromPods, why = parsePods("from.pods", c.namespace, from.Pods.NamespaceSelector, from.Pods.PodSelector)
		return why
	case from.Nodes != nil:
		c.kind = v1alpha1.SourceHost
		if c.from, err = parseSelector(from.Nodes.NodeSelector); err != nil {
			return invalidSelector("from.nodes.nodeSelector", err)
		}
	default:
		if c.from, err = parseSelector(from.Probers.NodeSelector); err != nil {
			return invalidSelector("from.probers.nodeSelector", err)
		}
	}
	return nil
}

func (c *compiledPath) compileTarget(to *v1alpha1.Target, s Settings) (why *idle) {
	var err error
	switch {
	case to.Mesh != nil:
		c.mesh = &compiledMesh{scope: to.Mesh.Scope}
		if c.mesh.to, err = parseSelector(to.Mesh.NodeSelector); err != nil {
			return invalidSelector("to.mesh.nodeSelector", err)
		}
	case to.Service != nil:
		c.service = &compiledService{
			key:  types.NamespacedName{Namespace: to.Service.Namespace, Name: to.Service.Name},
			port: to.Service.Port, via: to.Service.Via,
			own: to.Service.Namespace == s.Namespace,
		}
	case to.APIServer != nil:
		c.service = apiServer()
	case to.Pods != nil:
		c.pods = &compiledPods{port: to.Pods.Port}
		c.pods.sel, why = parsePods("to.pods", c.namespace, to.Pods.NamespaceSelector, &to.Pods.PodSelector)
	case to.Nodes != nil:
		c.nodes = &compiledNodes{port: to.Nodes.Port}
		if c.nodes.sel, err = parseSelector(to.Nodes.NodeSelector); err != nil {
			return invalidSelector("to.nodes.nodeSelector", err)
		}
	case to.DNS != nil:
		c.dns = to.DNS.Resolver
	case to.Overlay != nil:
		c.overlay = to.Overlay.Encapsulation
	case to.Canary != nil:
		c.canary = to.Canary.Direction
	case to.Host != nil:
		c.host = &compiledHost{}
		if ip, err := netip.ParseAddr(to.Host.IP); err == nil {
			c.host.addr = netip.AddrPortFrom(ip.Unmap(), uint16(to.Host.Port))
		}
	}
	return why
}

func parseSelector(s *metav1.LabelSelector) (selector, error) {
	sel, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return selector{}, err
	}
	return selector{key: sel.String(), sel: sel}, nil
}

// maxQuoted bounds what a message quotes from a spec, in bytes.
const maxQuoted = 256

func invalidSelector(field string, err error) *idle {
	return &idle{reason: v1alpha1.ReasonInvalidSelector,
		message: fmt.Sprintf("%s cannot be parsed: %s; correct it", field, cut(err.Error()))}
}

func cut(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return strings.ToValidUTF8(s[:maxQuoted], "") + "…"
}

// kindsOf a path, sorted.
func kindsOf(p *v1alpha1.Path, s Settings) []v1alpha1.ProbeKind {
	udp := protocolOf(&p.To) == v1alpha1.ProtocolUDP
	switch {
	case p.To.Mesh != nil:
		return meshKinds(p.To.Mesh)
	case p.To.DNS != nil:
		return []v1alpha1.ProbeKind{v1alpha1.ProbeDNS}
	case p.To.Overlay != nil && p.To.Overlay.Encapsulation == v1alpha1.EncapsulationIPIP:
		return []v1alpha1.ProbeKind{v1alpha1.ProbeIPIP, v1alpha1.ProbeMTU, v1alpha1.ProbeTunnel}
	case p.To.Overlay != nil:
		return []v1alpha1.ProbeKind{v1alpha1.ProbeMTU, v1alpha1.ProbeTunnel}
	case p.HTTP != nil:
		return []v1alpha1.ProbeKind{v1alpha1.ProbeHTTP}
	case p.TLS != nil:
		return []v1alpha1.ProbeKind{v1alpha1.ProbeTLS}
	case p.GRPC != nil:
		return []v1alpha1.ProbeKind{v1alpha1.ProbeGRPC}
	case p.To.Nodes != nil && p.To.Nodes.Port == 0:
		return []v1alpha1.ProbeKind{v1alpha1.ProbeICMP}
	case udp:
		return []v1alpha1.ProbeKind{v1alpha1.ProbeUDP}
	case p.To.Service != nil && p.To.Service.Via == v1alpha1.ViaEndpoints && halfOpen(p, s):
		return []v1alpha1.ProbeKind{v1alpha1.ProbeTCP, v1alpha1.ProbeTCPHalfOpen}
	case p.To.Pods != nil && halfOpen(p, s):
		return []v1alpha1.ProbeKind{v1alpha1.ProbeTCPHalfOpen}
	default:
		return []v1alpha1.ProbeKind{v1alpha1.ProbeTCP}
	}
}

// halfOpen says whether connections to pods are only begun.
func halfOpen(p *v1alpha1.Path, s Settings) bool {
	return s.Level == v1alpha1.LevelFull && (p.TCP == nil || p.TCP.Handshake != v1alpha1.HandshakeFull)
}

func meshKinds(m *v1alpha1.MeshTarget) []v1alpha1.ProbeKind {
	var kinds []v1alpha1.ProbeKind
	for _, protocol := range m.Protocols {
		switch protocol {
		case v1alpha1.MeshTCP:
			kinds = append(kinds, v1alpha1.ProbeMeshTCP)
		case v1alpha1.MeshUDP:
			kinds = append(kinds, v1alpha1.ProbeMeshUDP)
		case v1alpha1.MeshICMP:
			kinds = append(kinds, v1alpha1.ProbeMeshICMP)
		}
	}
	slices.Sort(kinds)
	return kinds
}

func compileProbe(check *v1alpha1.ConnectivityCheck, p *v1alpha1.Path, kind v1alpha1.ProbeKind) compiledProbe {
	key := types.NamespacedName{Namespace: check.Namespace, Name: check.Name}
	pc := paceOf(&check.Spec)
	g := v1alpha1.ProbeGroup{
		Key:              groupKey(key, p.Name, kind),
		Kind:             kind,
		Interval:         metav1.Duration{Duration: pc.Interval},
		Timeout:          metav1.Duration{Duration: pc.Timeout},
		FailureThreshold: 1,
		SuccessThreshold: 1,
	}
	if p.To.Host != nil && p.To.Host.Hostname != "" && !kind.IsMesh() && kind != v1alpha1.ProbeListener {
		g.Host = p.To.Host
	}
	if !kind.Proves() {
		g.MaxLatency, g.FailureThreshold, g.SuccessThreshold = p.MaxLatency, pc.FailureThreshold, pc.SuccessThreshold
		g.From = sourceKind(p)
		if p.Expect == v1alpha1.ExpectDeny {
			g.Expect = v1alpha1.ExpectDeny
		}
	}
	switch kind {
	case v1alpha1.ProbeDNS:
		g.DNS = p.To.DNS
	case v1alpha1.ProbeHostControl:
		g.From = v1alpha1.SourceHost
	case v1alpha1.ProbeMeshTCP, v1alpha1.ProbeMeshUDP, v1alpha1.ProbeMeshICMP, v1alpha1.ProbeWire:
		g.Port = EchoPort
	}
	c := compiledProbe{group: g, content: contentHash(check.UID, p, pc, kind)}
	c.setLayer(p)
	c.size = len(mustJSON(c.group))
	return c
}

func sourceKind(p *v1alpha1.Path) v1alpha1.SourceKind {
	switch {
	case p.From.Pods != nil, p.To.Canary != nil && p.To.Canary.Direction == v1alpha1.PolicyEgress:
		return v1alpha1.SourcePods
	case p.From.Nodes != nil:
		return v1alpha1.SourceHost
	default:
		return v1alpha1.SourceProber
	}
}

// contentHash covers what makes the state of a pair another state: not the
// severity, which is not tested, nor the sampling, which only picks pairs.
func contentHash(uid types.UID, in *v1alpha1.Path, pc pace, kind v1alpha1.ProbeKind) string {
	p := *in
	p.Severity, p.Sampling = nil, nil
	return digest(mustJSON(struct {
		UID  types.UID
		Kind v1alpha1.ProbeKind
		Pace pace
		Path v1alpha1.Path
	}{uid, kind, pc, p}))
}

// mustJSON marshals a value of our own types, which cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
