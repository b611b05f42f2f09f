// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// portDNS on which names are asked for.
const portDNS = 53

// maxServers of the cluster's DNS that are looked at.
const maxServers = 16

// dns finds pods that are isolated for egress and may not ask for names.
func (a *auditor) dns() {
	groups := a.groups(policy.Egress, func(*plan.Pod) string { return "" })
	if len(groups) == 0 {
		return
	}
	servers := a.dnsServers()
	var mute, short []*group
	for _, g := range groups {
		switch {
		case !a.admitsDNS(g, servers, v1alpha1.ProtocolUDP):
			mute = append(mute, g)
		case !a.admitsDNS(g, servers, v1alpha1.ProtocolTCP):
			short = append(short, g)
		}
	}
	where := namespaceSystem
	if len(servers) > 0 {
		where = servers[0].Key.Namespace
	}
	for _, g := range merge(mute, policy.Egress) {
		a.addDNS(g, v1alpha1.FindingWarning, where, "UDP 53", "so that no name resolves")
	}
	for _, g := range merge(short, policy.Egress) {
		a.addDNS(g, v1alpha1.FindingInfo, where, "TCP 53", "so that answers too long for UDP do not come")
	}
}

// namespaceSystem is where the cluster's DNS runs, nearly everywhere.
const namespaceSystem = "kube-system"

func (a *auditor) addDNS(g *group, severity v1alpha1.FindingSeverity, where, missing, consequence string) {
	p := g.blamed(policy.Egress)
	a.add(Finding{
		Code: v1alpha1.FindingEgressWithoutDNS, Severity: severity, Policy: p.Name,
		Message: fmt.Sprintf("%s isolates %s for egress, and no rule of %s admits %s to the cluster's DNS, %s. "+
			"Add to egress: - {to: [%s], ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]}",
			p.Name, described(g.pods), policyNames(g.policies), missing, consequence, inNamespace(where)),
	})
}

func dnsNamespaces() []string { return []string{namespaceSystem, "openshift-dns"} }

// dnsServers are the pods of the cluster's DNS. Where they run and which labels
// they have is a convention of the installers.
func (a *auditor) dnsServers() []*plan.Pod {
	var out []*plan.Pod
	for _, namespace := range dnsNamespaces() {
		for _, k := range a.kindsOf(namespace) {
			app := k.labels["k8s-app"]
			if app != "kube-dns" && app != "coredns" && k.labels["app.kubernetes.io/name"] != "coredns" &&
				k.labels["dns.operator.openshift.io/daemonset-dns"] == "" {
				continue
			}
			out = append(out, k.pods[:min(len(k.pods), maxServers-len(out))]...)
		}
	}
	return out
}

// admitsDNS says whether the rules for a group let it ask one of the servers.
// Where the specification leaves that to the network plugin they may; and where
// no server is known, or one might be meant by its address, a rule for the port
// is enough; so is that it would be too much work to find out.
func (a *auditor) admitsDNS(g *group, servers []*plan.Pod, protocol v1alpha1.Protocol) bool {
	for _, p := range g.policies {
		for i := range p.Spec.Egress {
			r := &p.Spec.Egress[i]
			if (len(servers) == 0 || meansAddress(r.To)) && hasPort(r.Ports, protocol, portDNS) {
				return true
			}
		}
	}
	for _, server := range servers {
		if !a.afford(g.cost(policy.Egress)) {
			return true
		}
		result := a.index.Evaluate(policy.Flow{
			Source: policy.Peer{Pod: g.pods[0]}, Destination: policy.Peer{Pod: server},
			Protocol: protocol, Port: listens(server, protocol),
		})
		if result.Egress.Verdict != policy.Deny {
			return true
		}
	}
	return false
}

// listens is the port on which a server of the DNS takes queries.
func listens(server *plan.Pod, protocol v1alpha1.Protocol) int32 {
	for _, port := range server.Ports {
		if port.Protocol == protocol && (port.Name == "dns" || strings.HasPrefix(port.Name, "dns-")) {
			return port.Port
		}
	}
	return portDNS
}

// meansAddress is true for a list with an ipBlock: it may be for the ClusterIP
// of the DNS, or for the address of a cache on the node.
func meansAddress(peers []networkingv1.NetworkPolicyPeer) bool {
	for i := range peers {
		if peers[i].IPBlock != nil {
			return true
		}
	}
	return false
}

// hasPort says whether a rule's ports may mean a number. A name may.
func hasPort(ports []networkingv1.NetworkPolicyPort, protocol v1alpha1.Protocol, number int32) bool {
	if len(ports) == 0 {
		return true
	}
	for i := range ports {
		p := &ports[i]
		if protocolOf(p) != string(protocol) {
			continue
		}
		switch {
		case p.Port == nil, p.Port.Type == intstr.String, p.Port.IntVal == number:
			return true
		case p.EndPort != nil && p.Port.IntVal <= number && number <= *p.EndPort:
			return true
		}
	}
	return false
}

func protocolOf(p *networkingv1.NetworkPolicyPort) string {
	if p.Protocol == nil {
		return string(corev1.ProtocolTCP)
	}
	return string(*p.Protocol)
}
