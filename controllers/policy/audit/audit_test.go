// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/policy"
)

const (
	toDNS      = `{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}], ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]}`
	denyAll    = `{podSelector: {}, policyTypes: [Ingress, Egress]}`
	denyEgress = `{podSelector: {}, policyTypes: [Egress]}`
)

// TestAudit: each case is about one code; what else is found does not count.
func TestAudit(t *testing.T) {
	type labels = map[string]map[string]string
	for name, c := range map[string]struct {
		code v1alpha1.FindingCode
		// pods instead of town's; also are more of them.
		pods, also []string
		labels     labels
		policies   map[string]string
		// want are the lines of findings, and says a part of the first's message.
		want, says string
		never      string
	}{
		"a typo": {
			code: v1alpha1.FindingSelectsNoPod, policies: map[string]string{"restrict": `{podSelector: {matchLabels: {app: paymnet}}}`},
			want: "Warning SelectsNoPod restrict spec.podSelector",
			says: "podSelector app=paymnet matches no pod of commerce, so that restrict protects nothing: did you mean app=payment?",
		},
		"nothing near": {
			code: v1alpha1.FindingSelectsNoPod, policies: map[string]string{"restrict": `{podSelector: {matchLabels: {app: inventory}}}`},
			want: "Info SelectsNoPod restrict spec.podSelector", says: "write labels that its pods have",
		},
		"a pod of another namespace is not selected": {
			code: v1alpha1.FindingSelectsNoPod, policies: map[string]string{"restrict": `{podSelector: {matchLabels: {app: batch}}}`},
			want: "Info SelectsNoPod restrict spec.podSelector", never: "batch-1",
		},
		"all pods":       {code: v1alpha1.FindingSelectsNoPod, policies: map[string]string{"all": denyAll}},
		"an expression":  {code: v1alpha1.FindingSelectsNoPod, policies: map[string]string{"some": `{podSelector: {matchExpressions: [{key: app, operator: In, values: [payment]}]}}`}},
		"no pod at all":  {code: v1alpha1.FindingSelectsNoPod, pods: []string{"web/batch-1"}, policies: map[string]string{"restrict": `{podSelector: {matchLabels: {app: paymnet}}}`}},
		"selects a pod":  {code: v1alpha1.FindingSelectsNoPod, policies: map[string]string{"restrict": `{podSelector: {matchLabels: {app: payment}}}`}},
		"DNS forgotten":  {code: v1alpha1.FindingEgressWithoutDNS, policies: map[string]string{"deny": denyEgress}, want: "Warning EgressWithoutDNS deny", says: "no rule of deny admits UDP 53 to the cluster's DNS, so that no name resolves. Add to egress: - {to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}], ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]}"},
		"DNS admitted":   {code: v1alpha1.FindingEgressWithoutDNS, policies: map[string]string{"deny": denyEgress, "dns": `{podSelector: {}, policyTypes: [Egress], egress: [` + toDNS + `]}`}},
		"in one policy":  {code: v1alpha1.FindingEgressWithoutDNS, policies: map[string]string{"deny": `{podSelector: {}, policyTypes: [Egress], egress: [` + toDNS + `]}`}},
		"any port":       {code: v1alpha1.FindingEgressWithoutDNS, policies: map[string]string{"deny": `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}]}]}`}},
		"named port":     {code: v1alpha1.FindingEgressWithoutDNS, policies: map[string]string{"deny": `{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: dns, protocol: UDP}, {port: dns-tcp}]}]}`}},
		"port range":     {code: v1alpha1.FindingEgressWithoutDNS, policies: map[string]string{"deny": `{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 1, endPort: 1024, protocol: UDP}, {port: 1, endPort: 1024}]}]}`}},
		"by TCP alone":   {code: v1alpha1.FindingEgressWithoutDNS, policies: map[string]string{"deny": `{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53}]}]}`}, want: "Warning EgressWithoutDNS deny", says: "admits UDP 53"},
		"by UDP alone":   {code: v1alpha1.FindingEgressWithoutDNS, policies: map[string]string{"deny": `{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}]}]}`}, want: "Info EgressWithoutDNS deny", says: "admits TCP 53"},
		"by its address": {code: v1alpha1.FindingEgressWithoutDNS, policies: map[string]string{"deny": `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.96.0.10/32}}], ports: [{port: 53, protocol: UDP}, {port: 53}]}]}`}},
		"the wrong namespace": {
			code: v1alpha1.FindingEgressWithoutDNS, policies: map[string]string{"deny": `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {name: kube-system}}}], ports: [{port: 53, protocol: UDP}, {port: 53}]}]}`},
			want: "Warning EgressWithoutDNS deny",
		},
		"no DNS known, no port": {code: v1alpha1.FindingEgressWithoutDNS, pods: []string{"commerce/a app=a"}, policies: map[string]string{"deny": denyEgress}, want: "Warning EgressWithoutDNS deny", says: "kube-system"},
		"no DNS known, a port":  {code: v1alpha1.FindingEgressWithoutDNS, pods: []string{"commerce/a app=a"}, policies: map[string]string{"deny": `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: 53, protocol: UDP}, {port: 53}]}]}`}},
		"another port of DNS": {
			code: v1alpha1.FindingEgressWithoutDNS, pods: []string{"commerce/a app=a", "openshift-dns/dns-1 dns.operator.openshift.io/daemonset-dns=default dns:5353/UDP dns-tcp:5353"},
			policies: map[string]string{"deny": `{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}, {port: 53}]}]}`},
			want:     "Warning EgressWithoutDNS deny", says: "openshift-dns",
		},
		"no DNS known, a range": {code: v1alpha1.FindingEgressWithoutDNS, pods: []string{"commerce/a app=a"}, policies: map[string]string{"deny": `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: 50, endPort: 60, protocol: UDP}, {port: 1, endPort: 53}]}]}`}},
		"no DNS known, another range": {
			code: v1alpha1.FindingEgressWithoutDNS, pods: []string{"commerce/a app=a"}, policies: map[string]string{"deny": `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: 54, endPort: 60, protocol: UDP}, {port: 1, endPort: 52, protocol: UDP}]}]}`},
			want: "Warning EgressWithoutDNS deny",
		},
		"the one that closes most is named": {
			code: v1alpha1.FindingEgressWithoutDNS, policies: map[string]string{"z-deny": denyEgress, "a-some": `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]}`},
			want: "Warning EgressWithoutDNS z-deny", says: "no rule of a-some, z-deny admits",
		},
		"only those without": {
			code: v1alpha1.FindingEgressWithoutDNS, policies: map[string]string{"deny": denyEgress, "dns": `{podSelector: {matchLabels: {app: payment}}, policyTypes: [Egress], egress: [` + toDNS + `]}`},
			want: "Warning EgressWithoutDNS deny", says: "isolates app=frontend, app=order-validator for egress", never: "payment",
		},
		"the host's network": {code: v1alpha1.FindingEgressWithoutDNS, pods: []string{"commerce/a app=a host"}, policies: map[string]string{"deny": denyEgress}},
		"Prometheus cut off": {
			code: v1alpha1.FindingMonitoringCutOff, policies: map[string]string{"same-namespace": `{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}`},
			want: "Warning MonitoringCutOff same-namespace", says: "no rule of same-namespace admits namespace monitoring to the port metrics (TCP 9090), so that nobody collects their metrics. Add to ingress: - {from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}], ports: [{protocol: TCP, port: metrics}]}",
		},
		"Prometheus admitted": {
			code: v1alpha1.FindingMonitoringCutOff, policies: map[string]string{
				"same-namespace": `{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}`,
				"metrics":        `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}], ports: [{port: metrics}]}]}`,
			},
		},
		"only Grafana admitted": {
			code: v1alpha1.FindingMonitoringCutOff, policies: map[string]string{"some": `{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app.kubernetes.io/name: grafana}}}]}]}`},
			want: "Warning MonitoringCutOff some", never: "prometheus",
		},
		"another port admitted": {
			code: v1alpha1.FindingMonitoringCutOff, policies: map[string]string{"some": `{podSelector: {}, ingress: [{ports: [{port: http}]}]}`},
			want: "Warning MonitoringCutOff some",
		},
		"no metrics":        {code: v1alpha1.FindingMonitoringCutOff, pods: []string{"commerce/a app=a http:80", "monitoring/p"}, policies: map[string]string{"deny": denyAll}},
		"no monitoring":     {code: v1alpha1.FindingMonitoringCutOff, pods: []string{"commerce/a app=a metrics:80"}, policies: map[string]string{"deny": denyAll}},
		"monitoring, empty": {code: v1alpha1.FindingMonitoringCutOff, pods: []string{"commerce/a app=a metrics:80"}, labels: labels{"monitoring": nil}, policies: map[string]string{"deny": denyAll}, want: "Warning MonitoringCutOff deny"},
		"monitoring, by label": {
			code: v1alpha1.FindingMonitoringCutOff, pods: []string{"commerce/a app=a http-metrics:80"}, labels: labels{"observe": {"netladder.io/monitoring": "true"}},
			policies: map[string]string{"deny": denyAll}, want: "Warning MonitoringCutOff deny", says: "admits namespace observe to the port http-metrics",
		},
		"monitoring, denied by label": {code: v1alpha1.FindingMonitoringCutOff, labels: labels{"monitoring": {"netladder.io/monitoring": "false"}}, policies: map[string]string{"deny": denyAll}},
		"a pod that poses as Prometheus makes no monitoring namespace": {
			code: v1alpha1.FindingMonitoringCutOff, pods: []string{"commerce/a app=a metrics:80", "evil/p app.kubernetes.io/name=prometheus"}, policies: map[string]string{"deny": denyAll},
		},
		"OR for AND": {
			code: v1alpha1.FindingPeersReadAsOr, labels: labels{"web": {"team": "web"}},
			policies: map[string]string{"allow": `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: web}}}, {podSelector: {matchLabels: {app: batch}}}]}]}`},
			want:     "Warning PeersReadAsOr allow spec.ingress[0].from[1]",
			says:     "from[0] is every pod of the namespaces team=web, and from[1] the pods app=batch of commerce, of which there are none. If only those pods of those namespaces were meant, write one item: - {namespaceSelector: {matchLabels: {team: web}}, podSelector: {matchLabels: {app: batch}}}",
		},
		"OR that may be meant": {
			code: v1alpha1.FindingPeersReadAsOr, labels: labels{"web": {"team": "web"}},
			policies: map[string]string{"allow": `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: web}}}, {podSelector: {matchLabels: {app: frontend}}}]}]}`},
			want:     "Info PeersReadAsOr allow spec.ingress[0].from[1]",
		},
		"OR that adds nothing": {
			code: v1alpha1.FindingPeersReadAsOr, policies: map[string]string{"allow": `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: frontend}}}, {namespaceSelector: {}}]}]}`},
			want: "Warning PeersReadAsOr allow spec.egress[0].to[0]", says: "to[1] is every pod of the namespaces {} (all), and to[0] the pods app=frontend of commerce, which are among the former",
		},
		"AND":                {code: v1alpha1.FindingPeersReadAsOr, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: web}}, podSelector: {matchLabels: {app: frontend}}}]}]}`}},
		"own namespace, all": {code: v1alpha1.FindingPeersReadAsOr, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: web}}}, {podSelector: {}}]}]}`}},
		"not side by side":   {code: v1alpha1.FindingPeersReadAsOr, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8}}, {podSelector: {matchLabels: {app: frontend}}}]}]}`}},
		"rules of no effect": {code: v1alpha1.FindingPeersReadAsOr, policies: map[string]string{"allow": `{podSelector: {}, policyTypes: [Egress], ingress: [{from: [{namespaceSelector: {}}, {podSelector: {matchLabels: {app: frontend}}}]}]}`}},
		"a peer misspelt":    {code: v1alpha1.FindingPeerMatchesNothing, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{}, {from: [{podSelector: {matchLabels: {app: frontned}}}]}]}`}, want: "Warning PeerMatchesNothing allow spec.ingress[1].from[0]", says: "podSelector app=frontned matches no pod of commerce: did you mean app=frontend?"},
		"two clauses of one policy": {
			code: v1alpha1.FindingPeerMatchesNothing, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: frontned}}}, {podSelector: {matchLabels: {app: paymnet}}}]}]}`},
			want: "Warning PeerMatchesNothing allow spec.ingress[0].from[0]\nWarning PeerMatchesNothing allow spec.ingress[0].from[1]",
		},
		"a peer of another one": {code: v1alpha1.FindingPeerMatchesNothing, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: batch}}}]}]}`}, want: "Info PeerMatchesNothing allow spec.ingress[0].from[0]", says: "write a namespaceSelector into the same item", never: "batch-1"},
		"no such namespace":     {code: v1alpha1.FindingPeerMatchesNothing, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {name: monitoring}}}]}]}`}, want: "Info PeerMatchesNothing allow spec.ingress[0].from[0]", says: "has its name as the label kubernetes.io/metadata.name"},
		"labels of namespaces are not told": {
			code: v1alpha1.FindingPeerMatchesNothing, labels: labels{"web": {"team": "storefront"}}, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: storefrnt}}}]}]}`},
			want: "Info PeerMatchesNothing allow spec.ingress[0].from[0]", never: "storefront",
		},
		"labels of namespaces that disclose": {
			code: v1alpha1.FindingPeerMatchesNothing, labels: labels{"web": {"team": "storefront", "netladder.io/disclose-to": "commerce"}}, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: storefrnt}}}]}]}`},
			want: "Warning PeerMatchesNothing allow spec.ingress[0].from[0]", says: "did you mean team=storefront?",
		},
		"pods of namespaces are not judged": {code: v1alpha1.FindingPeerMatchesNothing, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web}}, podSelector: {matchLabels: {app: frontned}}}]}]}`}},
		"pods of namespaces that disclose": {
			code: v1alpha1.FindingPeerMatchesNothing, labels: labels{"web": {"netladder.io/disclose-to": "commerce"}}, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web}}, podSelector: {matchLabels: {app: frontned}}}]}]}`},
			want: "Warning PeerMatchesNothing allow spec.ingress[0].from[0]", says: "did you mean app=frontend?",
		},
		"disclosed to another":  {code: v1alpha1.FindingPeerMatchesNothing, labels: labels{"web": {"netladder.io/disclose-to": "monitoring"}}, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web}}, podSelector: {matchLabels: {app: frontned}}}]}]}`}},
		"peers that match":      {code: v1alpha1.FindingPeerMatchesNothing, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: frontend}}}, {ipBlock: {cidr: 10.0.0.0/8}}, {namespaceSelector: {}}, {podSelector: {}}]}]}`}},
		"a port misspelt":       {code: v1alpha1.FindingPortMatchesNothing, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{ports: [{port: http}, {port: metrcis}]}]}`}, want: "Warning PortMatchesNothing allow spec.ingress[0].ports[1]", says: "no container of app=frontend, app=order-validator, app=payment has a port named metrcis for TCP: did you mean metrics?"},
		"a port of UDP":         {code: v1alpha1.FindingPortMatchesNothing, also: []string{"commerce/dns app=dns dns:53/UDP"}, policies: map[string]string{"allow": `{podSelector: {matchLabels: {app: dns}}, ingress: [{ports: [{port: dns}]}]}`}, want: "Warning PortMatchesNothing allow spec.ingress[0].ports[0]", says: "it is for UDP, so write protocol: UDP"},
		"a port of nobody":      {code: v1alpha1.FindingPortMatchesNothing, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{ports: [{port: grpc}]}]}`}, want: "Warning PortMatchesNothing allow spec.ingress[0].ports[0]", says: "write the name that the pods give it, or its number"},
		"a port of one of many": {code: v1alpha1.FindingPortMatchesNothing, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{ports: [{port: metrics}, {port: 4711}, {}]}]}`}},
		"of pods not selected":  {code: v1alpha1.FindingPortMatchesNothing, policies: map[string]string{"allow": `{podSelector: {matchLabels: {app: frontend}}, ingress: [{ports: [{port: metrics}]}]}`}, want: "Warning PortMatchesNothing allow spec.ingress[0].ports[0]"},
		"of nobody selected":    {code: v1alpha1.FindingPortMatchesNothing, policies: map[string]string{"allow": `{podSelector: {matchLabels: {app: nobody}}, ingress: [{ports: [{port: metrics}]}]}`}},
		"SCTP is not known":     {code: v1alpha1.FindingPortMatchesNothing, policies: map[string]string{"allow": `{podSelector: {}, ingress: [{ports: [{port: sigtran, protocol: SCTP}]}]}`}},
		"egress, to its own":    {code: v1alpha1.FindingPortMatchesNothing, policies: map[string]string{"allow": `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: payment}}}], ports: [{port: https}]}]}`}, want: "Warning PortMatchesNothing allow spec.egress[0].ports[0]", says: "did you mean http?"},
		"egress, to anybody":    {code: v1alpha1.FindingPortMatchesNothing, policies: map[string]string{"allow": `{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: https}]}]}`}},
		"egress, to others":     {code: v1alpha1.FindingPortMatchesNothing, policies: map[string]string{"allow": `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: https}]}]}`}},
		"egress, to those that disclose": {
			code: v1alpha1.FindingPortMatchesNothing, labels: labels{"web": {"netladder.io/disclose-to": "commerce"}},
			policies: map[string]string{"allow": `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web}}}], ports: [{port: https}]}]}`},
			want:     "Warning PortMatchesNothing allow spec.egress[0].ports[0]",
		},
		"pods left out": {
			code: v1alpha1.FindingPodsNotCovered, policies: map[string]string{"payment": `{podSelector: {matchLabels: {app: payment}}}`},
			want: "Info PodsNotCovered", says: "none selects app=frontend, app=order-validator: everybody may reach them",
		},
		"no pod isolated": {code: v1alpha1.FindingPodsNotCovered, policies: map[string]string{"payment": `{podSelector: {matchLabels: {app: paymnet}}}`}},
		"all covered":     {code: v1alpha1.FindingPodsNotCovered, policies: map[string]string{"deny": denyEgress}},
		"many left out": {
			code: v1alpha1.FindingPodsNotCovered, pods: []string{"commerce/a app=a", "commerce/b app=b", "commerce/c app=c", "commerce/d app=d", "commerce/e", "commerce/f app=f host"},
			policies: map[string]string{"a": `{podSelector: {matchLabels: {app: a}}}`}, want: "Info PodsNotCovered", says: "app=b, app=c, app=d and 1 more:",
		},
	} {
		t.Run(name, func(t *testing.T) {
			pods := c.pods
			if pods == nil {
				pods = town()
			}
			var policies []*networkingv1.NetworkPolicy
			for name, spec := range c.policies {
				policies = append(policies, np(t, name, spec))
			}
			report := Audit(Input{Index: indexOf(t, append(pods, c.also...), c.labels, policies...), Namespace: "commerce"})
			if report.Policies != len(policies) || report.Partial {
				t.Errorf("%d policies, partial %v", report.Policies, report.Partial)
			}
			found := slices.DeleteFunc(report.Findings, func(f Finding) bool { return f.Code != c.code })
			if got := lines(found); got != c.want {
				t.Fatalf("got\n%s\nwant\n%s\n%v", got, c.want, found)
			}
			if len(found) > 0 && !strings.Contains(found[0].Message, c.says) {
				t.Errorf("the message is\n%s\nwithout\n%s", found[0].Message, c.says)
			}
			for _, f := range found {
				if c.never != "" && strings.Contains(f.Message, c.never) {
					t.Errorf("the message tells of %s: %s", c.never, f.Message)
				}
			}
		})
	}
}

func TestSilence(t *testing.T) {
	spec := `{podSelector: {matchLabels: {app: paymnet}}, policyTypes: [Ingress, Egress]}`
	for name, c := range map[string]struct{ policy, namespace, want string }{
		"nothing":             {"", "", "Warning EgressWithoutDNS deny\nWarning SelectsNoPod typo spec.podSelector\nInfo PodsNotCovered"},
		"on the policy":       {"SelectsNoPod", "", "Warning EgressWithoutDNS deny\nInfo PodsNotCovered"},
		"on the namespace":    {"", "PodsNotCovered, SelectsNoPod", "Warning EgressWithoutDNS deny"},
		"both":                {"SelectsNoPod", "EgressWithoutDNS,PodsNotCovered", ""},
		"another code":        {"PeersReadAsOr", "", "Warning EgressWithoutDNS deny\nWarning SelectsNoPod typo spec.podSelector\nInfo PodsNotCovered"},
		"no code":             {"selectsnopod,*,all", "", "Warning EgressWithoutDNS deny\nWarning SelectsNoPod typo spec.podSelector\nInfo PodsNotCovered"},
		"namespace-wide code": {"PodsNotCovered", "", "Warning EgressWithoutDNS deny\nWarning SelectsNoPod typo spec.podSelector\nInfo PodsNotCovered"},
	} {
		t.Run(name, func(t *testing.T) {
			typo, deny := np(t, "typo", spec), np(t, "deny", `{podSelector: {matchLabels: {app: payment}}, policyTypes: [Egress]}`)
			typo.Annotations = map[string]string{v1alpha1.AnnotationSilence: c.policy}
			report := Audit(Input{Index: indexOf(t, town(), nil, typo, deny), Namespace: "commerce", Silence: c.namespace})
			got := strings.Split(lines(report.Findings), "\n")
			slices.Sort(got)
			want := strings.Split(c.want, "\n")
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestProperties: whatever the policies and pods are, findings have what the API
// asks for, come in the same order whatever the order in which the index was
// filled, and name no pod and no label of a namespace that does not disclose.
func TestProperties(t *testing.T) {
	clauses := regexp.MustCompile(`^(spec\.podSelector|spec\.(ingress\[\d+\]\.(from|ports)|egress\[\d+\]\.(to|ports))\[\d+\])?$`)
	rapid.Check(t, func(rt *rapid.T) {
		pods := rapid.SliceOfN(drawPod(), 0, 8).Draw(rt, "pods")
		var policies []*networkingv1.NetworkPolicy
		for i := range rapid.IntRange(0, 5).Draw(rt, "policies") {
			policies = append(policies, np(t, fmt.Sprint("p", i), drawSpec(rt)))
		}
		in := Input{Index: indexOf(t, pods, map[string]map[string]string{"monitoring": {"team": "hidden-team"}}, policies...), Namespace: "commerce"}
		report := Audit(in)
		seen := map[string]bool{}
		for _, f := range report.Findings {
			switch {
			case seen[f.ID] || len(f.ID) > 32:
				rt.Fatalf("the ID of %v", f)
			case f.Message == "" || len(f.Message) > maxMessage:
				rt.Fatalf("the message of %v", f)
			case !slices.Contains(v1alpha1.FindingCodes(), f.Code) || f.Severity != v1alpha1.FindingInfo && f.Severity != v1alpha1.FindingWarning:
				rt.Fatalf("code and severity of %v", f)
			case !clauses.MatchString(f.Clause):
				rt.Fatalf("the clause of %v", f)
			case f.Policy == "" != (f.Code == v1alpha1.FindingPodsNotCovered):
				rt.Fatalf("the policy of %v", f)
			case strings.Contains(f.Message, "hidden"):
				rt.Fatalf("it tells of others: %v", f)
			}
			seen[f.ID] = true
		}
		slices.Reverse(pods)
		slices.Reverse(policies)
		again := Audit(Input{Index: reversed(in.Index, policies), Namespace: "commerce"})
		if !slices.Equal(again.Findings, report.Findings) {
			rt.Fatalf("in another order\n%v\nand\n%v", report.Findings, again.Findings)
		}
	})
}

// reversed is an index that was filled in another order.
func reversed(x *policy.Index, policies []*networkingv1.NetworkPolicy) *policy.Index {
	out := policy.NewIndex()
	for _, p := range policies {
		out.SetPolicy(p)
	}
	spaces := x.Namespaces()
	slices.Reverse(spaces)
	for _, n := range spaces {
		pods := x.Pods(n.Name)
		slices.Reverse(pods)
		for _, p := range pods {
			out.SetPod(p)
		}
		out.SetNamespace(n)
	}
	return out
}

func drawPod() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.Bool().Draw(t, "other") {
			// What others have is marked.
			return "web/hidden-" + rapid.StringMatching("[a-z]{4}").Draw(t, "name") + " app=hidden-frontend hidden-metrics:80"
		}
		out := "commerce/" + rapid.StringMatching("[a-z]{4}").Draw(t, "name") + " app=" + rapid.SampledFrom([]string{"payment", "frontend", "worker"}).Draw(t, "app")
		for _, port := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"http:80", "metrics:90", "dns:53/UDP"}), 0, 3, rapid.ID).Draw(t, "ports") {
			out += " " + port
		}
		return out
	})
}

func drawSpec(t *rapid.T) string {
	selector := rapid.SampledFrom([]string{
		"{}", "{matchLabels: {app: payment}}", "{matchLabels: {app: paymnet}}", "{matchLabels: {app: frontend}}", "{matchLabels: {team: hiden-team}}",
		"{matchExpressions: [{key: app, operator: NotIn, values: [payment]}]}", "{matchLabels: {kubernetes.io/metadata.name: web}}",
		"{matchExpressions: [{key: team, operator: Exists}]}",
	})
	peer := rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return "{podSelector: " + selector.Draw(t, "pods") + "}"
		case 1:
			return "{namespaceSelector: " + selector.Draw(t, "spaces") + "}"
		case 2:
			return "{podSelector: " + selector.Draw(t, "pods") + ", namespaceSelector: " + selector.Draw(t, "spaces") + "}"
		default:
			return "{ipBlock: {cidr: 10.0.0.0/8}}"
		}
	})
	port := rapid.SampledFrom([]string{"{port: http}", "{port: metrics}", "{port: metrcis}", "{port: dns}", "{port: 53, protocol: UDP}", "{port: 53}", "{}"})
	rules := func(name, peers string) string {
		var out []string
		for range rapid.IntRange(0, 2).Draw(t, name) {
			out = append(out, fmt.Sprintf("{%s: [%s], ports: [%s]}", peers,
				strings.Join(rapid.SliceOfN(peer, 0, 3).Draw(t, peers), ", "), strings.Join(rapid.SliceOfN(port, 0, 2).Draw(t, "ports"), ", ")))
		}
		return name + ": [" + strings.Join(out, ", ") + "]"
	}
	types := rapid.SampledFrom([]string{"", "policyTypes: [Ingress], ", "policyTypes: [Egress], ", "policyTypes: [Ingress, Egress], "}).Draw(t, "types")
	return "{podSelector: " + selector.Draw(t, "selector") + ", " + types + rules("ingress", "from") + ", " + rules("egress", "to") + "}"
}

// TestBounded: a policy as large as the API server stores costs what an audit
// may cost, and says that it was cut.
func TestBounded(t *testing.T) {
	var pods []string
	for i := range 1000 {
		pods = append(pods, fmt.Sprintf("commerce/p%d app=app-%d metrics:9090", i, i))
	}
	huge := np(t, "huge", denyAll)
	for i := range 20000 {
		name := intstr.FromString(fmt.Sprint("none-", i))
		huge.Spec.Ingress = append(huge.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{
			Ports: []networkingv1.NetworkPolicyPort{{Port: &name}},
			From:  []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprint("other-", i)}}}},
		})
	}
	x := indexOf(t, pods, nil, huge)
	a := run(Input{Index: x, Namespace: "commerce"})
	if !a.partial || len(a.found) > maxFindings {
		t.Errorf("partial is %v with %d findings", a.partial, len(a.found))
	}
	if tries := len(huge.Spec.Ingress) * 3; a.cost > maxCost+tries {
		t.Errorf("it cost %d comparisons", a.cost)
	}
}

// TestManyPoliciesAreBounded: that is what an audit costs too where it is no
// single policy that is large.
func TestManyPoliciesAreBounded(t *testing.T) {
	for name, size := range map[string]struct{ pods, policies, peers int }{
		"pods that all differ": {pods: 1100, policies: 2000},
		"peers":                {pods: 10, policies: 130, peers: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			var pods []string
			for i := range size.pods {
				pods = append(pods, fmt.Sprintf("commerce/p%d app=app-%d metrics:9090", i, i))
			}
			var policies []*networkingv1.NetworkPolicy
			for i := range size.policies {
				p := np(t, fmt.Sprintf("policy-%d", i), "{podSelector: {}, policyTypes: [Ingress, Egress]}")
				for j := range size.peers {
					p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{
						To: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprint("app-", j%size.pods)}}}},
					})
				}
				policies = append(policies, p)
			}
			a := run(Input{Index: indexOf(t, pods, nil, policies...), Namespace: "commerce"})
			if !a.partial {
				t.Errorf("it is said to be complete, at a cost of %d", a.cost)
			}
		})
	}
}

// BenchmarkAudit of a namespace with 1,000 pods of 50 applications and 200
// policies, of which each is about one of them.
func BenchmarkAudit(b *testing.B) {
	var pods []string
	for i := range 1000 {
		pods = append(pods, fmt.Sprintf("commerce/p%d app=app-%d pod-template-hash=h%d http:8080 metrics:9090", i, i%50, i%50))
	}
	pods = append(pods, town()...)
	policies := []*networkingv1.NetworkPolicy{np(b, "deny", denyAll), np(b, "dns", `{podSelector: {}, policyTypes: [Egress], egress: [`+toDNS+`]}`)}
	for i := range 198 {
		policies = append(policies, np(b, fmt.Sprint("allow-", i), fmt.Sprintf(
			`{podSelector: {matchLabels: {app: app-%d}}, ingress: [{from: [{podSelector: {matchLabels: {app: app-%d}}}, {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web}}}], ports: [{port: http}]}]}`, i%50, (i+1)%50)))
	}
	x := indexOf(b, pods, nil, policies...)
	for b.Loop() {
		if report := Audit(Input{Index: x, Namespace: "commerce"}); report.Partial || len(report.Findings) == 0 {
			b.Fatal(report)
		}
	}
}

// BenchmarkAuditStatefulSet is the same with pods that all differ in a label.
func BenchmarkAuditStatefulSet(b *testing.B) {
	var pods []string
	for i := range 1000 {
		pods = append(pods, fmt.Sprintf("commerce/p%d app=app-%d statefulset.kubernetes.io/pod-name=p%d metrics:9090", i, i%50, i))
	}
	policies := []*networkingv1.NetworkPolicy{np(b, "deny", denyAll)}
	for i := range 199 {
		policies = append(policies, np(b, fmt.Sprint("allow-", i), fmt.Sprintf(
			`{podSelector: {matchLabels: {app: app-%d}}, ingress: [{from: [{podSelector: {matchLabels: {app: nobody-%d}}}], ports: [{port: metrics}]}]}`, i%50, i)))
	}
	x := indexOf(b, pods, nil, policies...)
	for b.Loop() {
		if report := Audit(Input{Index: x, Namespace: "commerce"}); report.Partial {
			b.Fatal(report)
		}
	}
}
