// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"net/netip"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// hiddenServices adds to hidden the namespaces of Services with this cluster IP
// that do not disclose to a check, and says whether there are any. Whether such
// a Service answers somebody who is not let in is nothing that a check may learn
// from the node's own network. That the API server answers is no secret.
func (v *view) hiddenServices(ip netip.Addr, c *compiledPath, hidden map[string]struct{}) (found bool) {
	for _, key := range v.servicesAt(ip) {
		if key.Namespace == metav1.NamespaceDefault && key.Name == "kubernetes" || v.discloses(key.Namespace, c) {
			continue
		}
		hidden[key.Namespace] = struct{}{}
		found = true
	}
	return found
}

// servicesAt are the Services with a cluster IP: one, or two for the moment in
// which one takes it over from the other.
func (v *view) servicesAt(ip netip.Addr) []types.NamespacedName {
	if v.serviceIPs == nil {
		v.serviceIPs = map[netip.Addr][]types.NamespacedName{}
		for _, s := range v.cluster.Services {
			v.fileService(s)
		}
	}
	return v.serviceIPs[ip]
}

func (v *view) fileService(s *Service) {
	for _, ip := range s.ClusterIPs {
		v.serviceIPs[ip] = append(v.serviceIPs[ip], s.Key)
	}
}

// changeServiceIPs brings the index of cluster IPs up to date, and notes those
// that changed hands. Each of both versions may be nil.
func (e *Engine) changeServiceIPs(key types.NamespacedName, old, now *Service) {
	ips := func(s *Service) []netip.Addr {
		if s == nil {
			return nil
		}
		return s.ClusterIPs
	}
	if slices.Equal(ips(old), ips(now)) {
		return
	}
	e.pending.serviceIPs = append(append(e.pending.serviceIPs, ips(old)...), ips(now)...)
	v := e.view
	if v.serviceIPs == nil {
		return
	}
	for _, ip := range ips(old) {
		rest := slices.DeleteFunc(v.serviceIPs[ip], func(k types.NamespacedName) bool { return k == key })
		if v.serviceIPs[ip] = rest; len(rest) == 0 {
			delete(v.serviceIPs, ip)
		}
	}
	if now != nil {
		v.fileService(now)
	}
}
