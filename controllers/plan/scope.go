// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"

	"github.com/netladder/netladder/api/v1alpha1"
)

// refuse says why a path must or can not be probed at all. p has its defaults.
func refuse(check *v1alpha1.ConnectivityCheck, p *v1alpha1.Path, s Settings) *idle {
	if why := malformed(p); why != nil {
		return why
	}
	if why := refuseCanary(p, check.Namespace == s.Namespace, s); why != nil {
		return why
	}
	if check.Namespace != s.Namespace {
		if why := notPermitted(check, p, s); why != nil {
			return why
		}
	}
	if why := needsFull(p, s); why != nil {
		return why
	}
	if why := undialable(p.To.Host); why != nil {
		return why
	}
	if why := invalidCABundle(p); why != nil {
		return why
	}
	if check.Spec.Suspend {
		return &idle{accepted: true, reason: v1alpha1.ReasonSuspended, message: "spec.suspend is true; set it to false to probe again"}
	}
	return nil
}

func unsupported(format string, args ...any) *idle {
	return &idle{reason: v1alpha1.ReasonUnsupported, message: fmt.Sprintf(format, args...)}
}

// malformed refuses what the schema of this version refuses as well: an object
// may have been stored under another one.
func malformed(p *v1alpha1.Path) *idle {
	from, to := &p.From, &p.To
	deny := p.Expect == v1alpha1.ExpectDeny
	switch {
	case count(from.Pods != nil, from.Probers != nil, from.Nodes != nil) != 1:
		return unsupported("this version of Netladder knows only the sources from.pods, from.probers and from.nodes; set exactly one of them, or upgrade")
	case count(to.Pods != nil, to.Nodes != nil, to.Host != nil, to.Mesh != nil, to.Service != nil, to.DNS != nil, to.APIServer != nil, to.Canary != nil, to.Overlay != nil) != 1:
		return unsupported("this version of Netladder knows only the targets to.pods, to.service, to.mesh, to.nodes, to.host, to.dns, to.apiServer, to.canary and to.overlay; set exactly one of them, or upgrade")
	case p.Expect != v1alpha1.ExpectAllow && !deny:
		return unsupported("this version of Netladder knows only expect Allow and Deny; set one of them, or upgrade")
	case to.Mesh != nil && from.Probers == nil:
		return unsupported("to.mesh needs from.probers; set from.probers, or aim at to.pods")
	case to.DNS != nil && from.Nodes != nil:
		return unsupported("to.dns needs from.probers or from.pods; set one of them")
	case to.DNS != nil && !knownResolver(to.DNS.Resolver):
		return unsupported("this version of Netladder knows only to.dns.resolver PodDefault, ClusterDNS and EachReplica; set one of them, or upgrade")
	case to.Overlay != nil && from.Nodes == nil:
		return unsupported("to.overlay needs from.nodes; set from.nodes")
	case to.Overlay != nil && !knownEncapsulation(to.Overlay.Encapsulation):
		return unsupported("this version of Netladder knows only to.overlay.encapsulation Auto, VXLAN and IPIP; set one of them, or upgrade")
	case deny && (to.Mesh != nil || to.DNS != nil || to.Overlay != nil || hasLayer(p)):
		return unsupported("expect Deny goes with to.pods, to.service, to.host, to.nodes and to.apiServer, without http, tls and grpc; change to or remove the layer, or set expect to Allow")
	case deny && from.Nodes != nil && to.Pods == nil && to.Canary == nil:
		return unsupported("expect Deny from.nodes needs to.pods, because for any other target the control would start where the probe does; use from.pods or from.probers")
	case to.Service != nil && !knownVia(to.Service.Via):
		return unsupported("this version of Netladder knows only to.service.via ClusterIP, NodePort, LoadBalancer and Endpoints; set one of them, or upgrade")
	}
	if why := malformedCanary(p); why != nil {
		return why
	}
	return malformedLayer(p)
}

func knownVia(via v1alpha1.ServiceVia) bool {
	switch via {
	case "", v1alpha1.ViaClusterIP, v1alpha1.ViaNodePort, v1alpha1.ViaLoadBalancer, v1alpha1.ViaEndpoints:
		return true
	}
	return false
}

func count(set ...bool) int {
	n := 0
	for _, b := range set {
		if b {
			n++
		}
	}
	return n
}

// protocolOf the port of a target.
func protocolOf(to *v1alpha1.Target) v1alpha1.Protocol {
	p := v1alpha1.ProtocolTCP
	switch {
	case to.Service != nil:
		p = to.Service.Protocol
	case to.Pods != nil:
		p = to.Pods.Protocol
	case to.Nodes != nil:
		p = to.Nodes.Protocol
	case to.Host != nil:
		p = to.Host.Protocol
	case to.DNS != nil && to.DNS.AsksMembers() && to.DNS.Transport == v1alpha1.DNSOverUDP:
		p = v1alpha1.ProtocolUDP
	}
	if p == v1alpha1.ProtocolUDP {
		return p
	}
	return v1alpha1.ProtocolTCP
}

// notPermitted holds a path of a tenant against what a tenant may do: probe
// from its own pods, and let probers in from outside at its own pods.
func notPermitted(check *v1alpha1.ConnectivityCheck, p *v1alpha1.Path, s Settings) *idle {
	var message string
	switch {
	case p.From.Nodes != nil:
		message = fmt.Sprintf("from.nodes may be used only in Netladder's own namespace; use from.pods, or create this check in namespace %s", s.Namespace)
	case p.From.Pods != nil && p.From.Pods.NamespaceSelector != nil:
		message = fmt.Sprintf("probes may start only in pods of the check's own namespace; remove from.pods.namespaceSelector, or create this check in namespace %s", s.Namespace)
	case p.From.Probers != nil && !aimsAtOwnPods(check):
		message = fmt.Sprintf("from.probers may be used only where every path of the check has to.pods without a namespaceSelector; "+
			"use from.pods, put the other paths into another check, or create this check in namespace %s", s.Namespace)
	default:
		return nil
	}
	return &idle{reason: v1alpha1.ReasonSourceNotPermitted, message: message}
}

// aimsAtOwnPods says whether every path of a check is about pods of its own
// namespace.
func aimsAtOwnPods(check *v1alpha1.ConnectivityCheck) bool {
	for i := range check.Spec.Paths {
		to := &check.Spec.Paths[i].To
		if to.Pods == nil || to.Pods.NamespaceSelector != nil {
			return false
		}
		if count(to.Nodes != nil, to.Host != nil, to.Mesh != nil, to.Service != nil, to.DNS != nil, to.APIServer != nil, to.Canary != nil, to.Overlay != nil) > 0 {
			return false
		}
	}
	return true
}

// needsFull refuses what probers of level Restricted cannot do.
func needsFull(p *v1alpha1.Path, s Settings) *idle {
	if s.Level == v1alpha1.LevelFull {
		return nil
	}
	var what string
	switch {
	case p.From.Pods != nil:
		what = "from.pods"
	case p.From.Nodes != nil:
		what = "from.nodes"
	case p.To.Pods != nil: // the controller knows no pods then
		what = "to.pods"
	case p.Expect == v1alpha1.ExpectDeny && p.To.Canary == nil:
		what = "expect Deny"
	default:
		return nil
	}
	return unsupported("%s needs probers of level Full; install them by kubectl apply -k config/full, or remove it", what)
}

// undialable refuses an address that no probe may be aimed at. h may be nil.
func undialable(h *v1alpha1.HostTarget) *idle {
	if h == nil || h.Hostname != "" {
		return nil
	}
	ip, err := netip.ParseAddr(h.IP)
	if err == nil {
		ip = ip.Unmap()
	}
	if err != nil || ip.Zone() != "" || ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast() {
		return &idle{reason: v1alpha1.ReasonHostNotPermitted, message: fmt.Sprintf(
			"to.host.ip %s is no address that may be probed; set one that is neither loopback nor unspecified nor multicast", cut(h.IP))}
	}
	return nil
}

// discloses says whether a check may see what is learned of a namespace's pods.
func (v *view) discloses(namespace string, c *compiledPath) bool {
	if !c.tenant || namespace == c.namespace {
		return true
	}
	n := v.cluster.Namespaces[namespace]
	return n != nil && n.Labels[v1alpha1.LabelDiscloseTo] == c.namespace
}
