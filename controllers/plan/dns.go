// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
)

const dnsPort = 53

// DNSServices are the names under which distributions install the cluster's DNS,
// of which the first that exists and has port 53 is meant.
func DNSServices() []types.NamespacedName {
	return []types.NamespacedName{
		{Namespace: metav1.NamespaceSystem, Name: "kube-dns"},
		{Namespace: metav1.NamespaceSystem, Name: "coredns"},
		{Namespace: metav1.NamespaceSystem, Name: "rke2-coredns-rke2-coredns"},
		{Namespace: "openshift-dns", Name: "dns-default"},
	}
}

// findDNS is the cluster's DNS, the first of its ports that will do.
func (c *Cluster) findDNS(ok func(p *ServicePort) bool) (*Service, *ServicePort) {
	for _, key := range DNSServices() {
		s := c.Services[key]
		if s == nil {
			continue
		}
		for i := range s.Ports {
			if p := &s.Ports[i]; p.Port == dnsPort && ok(p) {
				return s, p
			}
		}
	}
	return nil, nil
}

// knownResolver says whether this version knows which servers to ask.
func knownResolver(r v1alpha1.DNSResolver) bool {
	return r == "" || r == v1alpha1.DNSClusterDNS || r == v1alpha1.DNSEachReplica
}

// pairDNS aims at the servers of the cluster's DNS: at its Service's cluster
// IPs, or at each endpoint by itself.
func (v *view) pairDNS(c *compiledPath, p *pairing) *idle {
	s, port := v.cluster.findDNS(func(p *ServicePort) bool { return p.Protocol == c.protocol })
	if s == nil {
		var names []string
		for _, key := range DNSServices() {
			names = append(names, key.String())
		}
		why := &idle{reason: v1alpha1.ReasonServiceNotFound, message: fmt.Sprintf(
			"none of the Services %s has a %s port 53, so the cluster's DNS is not known; remove to.dns.resolver to ask the servers of the source's resolv.conf",
			strings.Join(names, ", "), orTCP(c.protocol))}
		if c.dns == v1alpha1.DNSEachReplica {
			why.accepted, why.reason = true, v1alpha1.ReasonNoClusterDNS
		}
		return why
	}
	if c.dns == v1alpha1.DNSClusterDNS {
		if len(s.ClusterIPs) == 0 {
			return &idle{reason: v1alpha1.ReasonUnsupportedService, message: fmt.Sprintf(
				"Service %s has no cluster IP; set to.dns.resolver to EachReplica, or remove it", s.Key)}
		}
		p.spread = fixed(withPort(s.ClusterIPs, port.Port))
		return nil
	}
	var targets []target
	for i, at := range port.Endpoints {
		if !dialable(at.Addr()) {
			continue
		}
		t := v.identify(p, at)
		if t.uid == "" && i < len(port.On) {
			t.node = port.On[i]
		}
		targets = append(targets, t)
	}
	if len(targets) == 0 {
		return &idle{accepted: true, reason: v1alpha1.ReasonNoEndpoints, message: fmt.Sprintf(
			"Service %s has no endpoints on %s port 53; see whether the pods of the cluster's DNS run and are ready", s.Key, orTCP(c.protocol))}
	}
	p.spread = newSpread(sortTargets(targets), p.epochLength(c), v.now)
	return nil
}

// readsChanged says whether one of the Services that changed is one that the
// path looks at, and in what it looks at.
func (c *compiledPath) readsChanged(services map[types.NamespacedName]serviceChange) bool {
	switch {
	case c.service != nil:
		return services[c.service.key]&c.reads() != 0
	case c.dns == "":
		return false
	}
	reads := changedService
	if c.dns == v1alpha1.DNSEachReplica {
		reads |= changedEndpoints
	}
	for _, key := range DNSServices() {
		if services[key]&reads != 0 {
			return true
		}
	}
	return false
}
