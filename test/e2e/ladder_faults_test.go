// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/netladder/netladder/api/v1alpha1"
)

// ladderCases are the faults of the table.
func ladderCases() []ladderCase {
	return []ladderCase{
		{name: "coredns-down", inject: dnsDown},
		{name: "coredns-one", inject: dnsReplica},
		{name: "dns-blocked-by-policy", inject: dnsBlocked},
		{name: "service-selector-typo", inject: selectorTypo, waits: grace},
		{name: "endpoints-not-ready", inject: notReady, waits: grace},
		{name: "target-process-dead", inject: processDead},
		{name: "kube-proxy-rules-missing", inject: proxyDown},
		{name: "service-rules-missing", inject: serviceRules},
		{name: "pod-route-missing", inject: podRouteMissing},
		{name: "vxlan-one-way", inject: onePeer("vxlan-oneway", v1alpha1.CauseTunnelWayThere, v1alpha1.CauseTunnelNotHeard, v1alpha1.ReasonTunnelBroken)},
		{name: "vxlan-both-ways", inject: onePeer("vxlan", v1alpha1.CauseTunnelNotHeard, v1alpha1.ReasonTunnelBroken)},
		{name: "fdb-entry-missing", inject: onePeer("fdb", v1alpha1.CauseTunnelForwardMissing)},
		{name: "route-missing", inject: onePeer("route", v1alpha1.CauseTunnelRouteMissing)},
		{name: "neighbour-wrong", inject: onePeer("neighbour", v1alpha1.CauseTunnelNeighbourWrong)},
		{name: "underlay-down", inject: underlayDown},
		{name: "mtu-black-hole", inject: smallMTU("mtu", v1alpha1.ReasonLargePacketsLost)},
		{name: "mtu-with-icmp", inject: smallMTU("pmtu", v1alpha1.ReasonPacketsTooBig)},
		{name: "policy-drop", inject: policyDeny("drop")},
		{name: "policy-reject", inject: policyDeny("icmp")},
		{name: "ipip-one-way", inject: ipipOneWay},
		{name: "api-server-unreachable", inject: apiServerCut},
		{name: "http-503", inject: unwell},
		{name: "tls-expired", inject: expired},
		{name: "dns-and-overlay", inject: twoAtOnce},
	}
}

func dnsDown(t *testing.T, _ *shop, _ *draw) injected {
	heal := after(t, func(ctx context.Context) error {
		if _, err := tryLab(ctx, "kubectl", "scale", "-n", "kube-system", "deployment/coredns", "--replicas=2"); err != nil {
			return err
		}
		out, err := tryLab(ctx, "kubectl", "rollout", "status", "-n", "kube-system", "deployment/coredns", "--timeout=90s")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	scaleDNS(t, 0)
	return injected{heal: heal, where: "all replicas", want: []expectation{{
		at: append(inCluster(pathDNSUDP, pathDNSTCP), at("names")...), rung: v1alpha1.RungDNS,
		reasons: []string{v1alpha1.ReasonDNSNoServers, v1alpha1.ReasonDNSServersDown}, names: []string{"kube-dns"},
	}}}
}

func dnsReplica(t *testing.T, _ *shop, d *draw) injected {
	pods := &corev1.PodList{}
	if err := kube.List(t.Context(), pods, dnsPods()...); err != nil || len(pods.Items) == 0 {
		t.Fatalf("pods of CoreDNS: %d, %v", len(pods.Items), err)
	}
	pod := &pods.Items[d.IntN(len(pods.Items))]
	return injected{
		heal: breakNetwork(t, "coredns-one", pod.Spec.NodeName), where: pod.Spec.NodeName, want: []expectation{{
			at: append(inCluster(pathDNSUDP, pathDNSTCP), at("names")...), rung: v1alpha1.RungDNS,
			reasons: []string{v1alpha1.ReasonDNSServerDown}, names: []string{pod.Name},
		}},
	}
}

// dnsBlocked isolates one cart's egress but for what it needs beside names.
func dnsBlocked(t *testing.T, s *shop, d *draw) injected {
	pod := s.pod(cart, d.node())
	var ports []networkingv1.NetworkPolicyPort
	for _, port := range []int32{catalogPort, paymentPort, 443, 6443} {
		ports = append(ports, networkingv1.NetworkPolicyPort{Port: ptr.To(intstr.FromInt32(port))})
	}
	policy := &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: shopNamespace, Name: "no-names"},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: only(pod), PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
			Egress: []networkingv1.NetworkPolicyEgressRule{{Ports: ports}},
		},
	}
	return injected{
		heal: applied(t, policy), where: pod.Name, want: []expectation{{
			at: at("names"), rung: v1alpha1.RungPolicy, reasons: []string{v1alpha1.ReasonPolicyDenies}, names: []string{"no-names"},
		}},
	}
}

func selectorTypo(t *testing.T, _ *shop, d *draw) injected {
	l := []label{catalog, payment}[d.IntN(2)]
	typo := label{l.key, l.value[:2] + l.value[3:]}
	heal := after(t, func(ctx context.Context) error {
		out, err := tryLab(ctx, "kubectl", "patch", "service", "-n", shopNamespace, l.value, "--type=merge", "-p",
			fmt.Sprintf(`{"spec":{"selector":{%q:%q}}}`, l.key, l.value))
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	patchSelector(t, l.value, typo)
	return injected{heal: heal, where: "Service " + l.value, want: []expectation{{
		at: at(l.path()), rung: v1alpha1.RungEndpoints, reasons: []string{v1alpha1.ReasonSelectorMatchesNothing},
		names: []string{l.value, typo.value},
	}}}
}

// path is the path of the shop through the Service of this label.
func (l label) path() string {
	if l == catalog {
		return "browse"
	}
	return "pay"
}

func notReady(t *testing.T, s *shop, _ *draw) injected {
	heal := after(t, func(context.Context) error {
		for _, pod := range s.of(catalog) {
			ask(t, pod, http.MethodPost, "/health?status=200")
		}
		return nil
	})
	for _, pod := range s.of(catalog) {
		ask(t, pod, http.MethodPost, "/health?status=503")
	}
	return injected{heal: heal, where: "Service " + catalog.value, want: []expectation{{
		at: at("browse"), rung: v1alpha1.RungEndpoints, reasons: []string{v1alpha1.ReasonPodsNotReady}, names: []string{catalog.value},
	}}}
}

// processDead closes the listener of one pod of the payment.
func processDead(t *testing.T, s *shop, d *draw) injected {
	pod := s.pod(payment, d.node())
	query := fmt.Sprintf("proto=https&addr=:%d", paymentPort)
	heal := after(t, func(context.Context) error { ask(t, pod, http.MethodPost, "/listen?"+query); return nil })
	ask(t, pod, http.MethodPost, "/close?"+query)
	return injected{heal: heal, where: pod.Name, want: []expectation{{
		at: at("payment-pods"), rung: v1alpha1.RungListener, reasons: []string{v1alpha1.ReasonNothingListens}, names: []string{pod.Name},
	}}}
}

func proxyDown(t *testing.T, _ *shop, d *draw) injected {
	node := d.node()
	return injected{heal: breakNetwork(t, "kubeproxy", node), where: node, want: []expectation{{
		at: append(inCluster(pathClusterIP), at("browse", "pay")...), rung: v1alpha1.RungService, reasons: []string{v1alpha1.ReasonProxyBroken},
		names: []string{node},
	}}}
}

func serviceRules(t *testing.T, _ *shop, d *draw) injected {
	node, l := d.node(), []label{catalog, payment}[d.IntN(2)]
	return injected{
		heal:  breakNetwork(t, "kubeproxy-service", node, shopNamespace+"/"+l.value),
		where: "Service " + l.value + " on " + node, want: []expectation{{
			at: at(l.path()), rung: v1alpha1.RungService, reasons: []string{v1alpha1.ReasonServiceNotProgrammed}, names: []string{l.value, node},
		}},
	}
}

func podRouteMissing(t *testing.T, s *shop, d *draw) injected {
	pod := s.pod(payment, d.node())
	return injected{
		heal: breakNetwork(t, "podroute", pod.Spec.NodeName, shopNamespace+"/"+pod.Name), where: pod.Name, want: []expectation{{
			at: at("payment-pods"), rung: v1alpha1.RungPodNetwork, reasons: []string{v1alpha1.ReasonPodRouteMissing},
			names: []string{pod.Spec.NodeName, pod.Name},
		}},
	}
}

// onePeer breaks the overlay from one node to another.
func onePeer(fault string, reasons ...string) func(*testing.T, *shop, *draw) injected {
	return func(t *testing.T, _ *shop, d *draw) injected {
		node := d.node()
		peer := d.node(node)
		return injected{heal: breakNetwork(t, fault, node, peer), where: node + " to " + peer, want: []expectation{{
			at: inCluster("overlay", pathCrossNode), rung: v1alpha1.RungOverlay, reasons: reasons, names: []string{node, peer},
		}}}
	}
}

// underlayDown spares the node of the controller that tells it. After 20 s the
// node is not Ready, which is as true.
func underlayDown(t *testing.T, _ *shop, d *draw) injected {
	node := d.node(leader(t))
	return injected{
		heal: breakNetwork(t, "underlay", node), where: node, also: []v1alpha1.Rung{v1alpha1.RungNode}, want: []expectation{{
			at: append(inCluster("underlay", "overlay", pathCrossNode), at("catalog-pods", "payment-pods")...), rung: v1alpha1.RungUnderlay,
			reasons: []string{v1alpha1.ReasonNodeUnreachable}, names: []string{node},
		}},
	}
}

func smallMTU(fault string, reasons ...string) func(*testing.T, *shop, *draw) injected {
	return func(t *testing.T, _ *shop, d *draw) injected {
		node := d.node()
		return injected{heal: breakNetwork(t, fault, node), where: node, want: []expectation{{
			at: inCluster("overlay"), rung: v1alpha1.RungMTU, reasons: reasons, names: []string{node},
		}}}
	}
}

// policyDeny isolates one pod; denied packets are dropped or rejected.
func policyDeny(treatment string) func(*testing.T, *shop, *draw) injected {
	return func(t *testing.T, s *shop, d *draw) injected {
		l, path := catalog, "catalog-pods"
		if d.IntN(2) == 0 {
			l, path = payment, "payment-pods"
		}
		pod := s.pod(l, d.node())
		undo(t, "policy", "drop", "all")
		lab(t, "policy", treatment, "all")
		heal := applied(t, &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: shopNamespace, Name: "nobody"},
			Spec: networkingv1.NetworkPolicySpec{
				PodSelector: only(pod), PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			},
		})
		return injected{heal: heal, where: pod.Name + ", " + treatment, want: []expectation{{
			at: at(path), rung: v1alpha1.RungPolicy, reasons: []string{v1alpha1.ReasonPolicyDenies}, names: []string{"nobody"},
		}}}
	}
}

// ipipOneWay has a check of its own: what IP in IP needs is tested although the
// lab's overlay does not need it, and where hosts track connections no reply
// proves it.
func ipipOneWay(t *testing.T, _ *shop, d *draw) injected {
	node := d.node()
	peer := d.node(node)
	path := pathRef{namespace, tunnels, "ipip"}
	create(t, namespace, tunnels, v1alpha1.Path{
		Name: path.path, From: v1alpha1.Source{Nodes: &v1alpha1.NodesSource{}},
		To: v1alpha1.Target{Overlay: &v1alpha1.OverlayTarget{Encapsulation: v1alpha1.EncapsulationIPIP}},
	})
	eventually(t, settled, "replies come", path.is(v1alpha1.StateUnknown, v1alpha1.ReasonInconclusive))
	return injected{heal: breakNetwork(t, "ipip", node, peer), where: node + " to " + peer, want: []expectation{{
		at: []pathRef{path}, rung: v1alpha1.RungOverlay, names: []string{node, peer},
	}}}
}

func apiServerCut(t *testing.T, _ *shop, d *draw) injected {
	node := d.node()
	return injected{heal: breakNetwork(t, "apiserver", node), where: node, want: []expectation{{
		at: append(inCluster(pathAPIServer), at("api")...), rung: v1alpha1.RungEndpoints, reasons: []string{v1alpha1.ReasonEndpointUnreachable},
		names: []string{node},
	}}}
}

// unwell lets one pod of the payment answer 503.
func unwell(t *testing.T, s *shop, _ *draw) injected {
	return paymentAnswers(t, s, "/health?status=503", "/health?status=200", v1alpha1.ReasonUnexpectedAnswer, "503")
}

// expired lets the payment show certificates that have ended.
func expired(t *testing.T, s *shop, _ *draw) injected {
	const certificate = "/certificate?name=" + shopName + "&valid="
	return paymentAnswers(t, s, certificate+"-1h", certificate+"240h", v1alpha1.ReasonTLSFailed, "expired")
}

func paymentAnswers(t *testing.T, s *shop, bad, good, reason, says string) injected {
	heal := after(t, func(context.Context) error {
		for _, pod := range s.of(payment) {
			ask(t, pod, http.MethodPost, good)
		}
		return nil
	})
	for _, pod := range s.of(payment) {
		ask(t, pod, http.MethodPost, bad)
	}
	return injected{heal: heal, where: "Service " + payment.value, want: []expectation{{
		at: at("pay"), rung: v1alpha1.RungApplication, reasons: []string{reason}, names: []string{payment.value, says},
	}}}
}

// twoAtOnce: no DNS, and one direction of the overlay. Both must be named.
func twoAtOnce(t *testing.T, s *shop, d *draw) injected {
	dns, overlay := dnsDown(t, s, d), onePeer("vxlan-oneway")(t, s, d)
	return injected{
		heal:  func() { overlay.heal(); dns.heal() },
		where: strings.Join([]string{dns.where, overlay.where}, "; "),
		want:  append(dns.want, overlay.want...),
	}
}
