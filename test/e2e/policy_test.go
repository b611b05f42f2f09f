// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/netladder/netladder/api/v1alpha1"
)

// The stories of this file are those of docs/examples, whose very files they
// apply: what those who write NetworkPolicies get wrong.

// Everything out is denied, and nobody thought of names.
func TestFullWithoutDNS(t *testing.T) {
	const ns = "checkout"
	e := openExample(t, "default-deny-without-dns", "broken")
	path := func(name string) pathRef { return pathRef{ns, "names", name} }
	matured(t, ns)
	eventually(t, settled, "what is within the namespace works", path("cart").is(v1alpha1.StatePassing, ""))
	for _, name := range []string{"dns-udp", "dns-tcp"} {
		path(name).named(t, v1alpha1.ReasonPolicyDenies, []string{"Egress of checkout/default-deny-egress"}, "to the nameserver ", " 53")
	}
	eventually(t, reported, "the finding appears", found(ns, v1alpha1.FindingEgressWithoutDNS, "default-deny-egress"))
	e.apply(t, "healed")
	for _, name := range []string{"dns-udp", "dns-tcp"} {
		eventually(t, recoveryBound, name+" gets an answer", path(name).is(v1alpha1.StatePassing, ""))
	}
	eventually(t, settled, "the finding goes", notFound(ns, v1alpha1.FindingEgressWithoutDNS))
}

// A typo in a label leaves open what was to be closed.
func TestFullTypo(t *testing.T) {
	const ns = "payments"
	e := openExample(t, "typo", "broken")
	open := pathRef{ns, "payment", "frontend-must-not-pay"}
	matured(t, ns)
	open.named(t, v1alpha1.ReasonNoPolicyIsolates, nil,
		"restrict", "app=paymnet", "did you mean app=payment?")
	eventually(t, reported, "the finding appears", found(ns, v1alpha1.FindingSelectsNoPod, "restrict", "did you mean app=payment?"))
	told(t, ns, "restrict", string(v1alpha1.FindingSelectsNoPod), "app=paymnet")
	e.apply(t, "healed")
	eventually(t, recoveryBound, "the path is proven to be blocked", open.is(v1alpha1.StatePassing, ""))
	eventually(t, settled, "who may pay still can", pathRef{ns, "payment", "billing"}.is(v1alpha1.StatePassing, ""))
	eventually(t, settled, "the finding goes", notFound(ns, v1alpha1.FindingSelectsNoPod))
}

// A namespace closes itself, and its own monitoring is left outside.
func TestFullMonitoringDark(t *testing.T) {
	const ns, monitoring = "storefront", "prometheus-demo"
	e := openExample(t, "monitoring-goes-dark", "broken")
	scrape, inside := pathRef{monitoring, "scrape", "storefront"}, pathRef{ns, "web", "frontend"}
	matured(t, ns, monitoring)
	scrape.named(t, v1alpha1.ReasonPolicyDenies, []string{"Ingress of storefront/same-namespace-only"}, "same-namespace-only")
	eventually(t, settled, "who lives there gets through", inside.is(v1alpha1.StatePassing, ""))
	eventually(t, reported, "the finding appears", found(ns, v1alpha1.FindingMonitoringCutOff, "same-namespace-only"))
	e.apply(t, "healed")
	eventually(t, recoveryBound, "the metrics are read", scrape.is(v1alpha1.StatePassing, ""))
	eventually(t, settled, "the finding goes", notFound(ns, v1alpha1.FindingMonitoringCutOff))
}

// One dash makes an OR of an AND.
func TestFullAndVersusOr(t *testing.T) {
	const ns, partners = "warehouse", "partners"
	e := openExample(t, "and-versus-or", "broken")
	theirs := func(name string) pathRef { return pathRef{partners, "apis", name} }
	ours := func(name string) pathRef { return pathRef{ns, "apis", name} }
	matured(t, ns, partners)
	for _, path := range []pathRef{theirs("reader-and"), theirs("reader-or"), theirs("other-and"), ours("local-and")} {
		eventually(t, settled, path.path+" is as it was meant", path.is(v1alpha1.StatePassing, ""))
	}
	for _, path := range []pathRef{theirs("other-or"), ours("local-or")} {
		path.named(t, v1alpha1.ReasonPolicyAdmits, []string{"Ingress of warehouse/or"})
	}
	eventually(t, reported, "the finding appears", found(ns, v1alpha1.FindingPeersReadAsOr, "or"))
	if err := found(ns, v1alpha1.FindingPeersReadAsOr, "and")(t.Context()); err == nil {
		t.Error("the policy that is meant has the finding too")
	}
	e.apply(t, "healed")
	for _, path := range []pathRef{theirs("other-or"), ours("local-or")} {
		eventually(t, slack*recoveryBound, path.path+" is blocked", path.is(v1alpha1.StatePassing, ""))
	}
	eventually(t, settled, "the reader still gets through", theirs("reader-or").is(v1alpha1.StatePassing, ""))
	eventually(t, settled, "the finding goes", notFound(ns, v1alpha1.FindingPeersReadAsOr))
}

// Both ends deny: whoever opens one of them is told of the other.
func TestFullBothDirections(t *testing.T) {
	const ns, out, in = "invoicing", "Egress of invoicing/web-egress", "Ingress of invoicing/ledger-ingress"
	e := openExample(t, "both-directions", "broken")
	web, auditor := pathRef{ns, "ledger", "web"}, pathRef{ns, "ledger", "auditor"}
	matured(t, ns)
	web.named(t, v1alpha1.ReasonPolicyDenies, []string{out, in})
	eventually(t, settled, "the auditor gets through", auditor.is(v1alpha1.StatePassing, ""))
	e.apply(t, "half")
	web.named(t, v1alpha1.ReasonPolicyDenies, []string{in}, "app=auditor")
	e.apply(t, "healed")
	eventually(t, recoveryBound, "the web pods get through", web.is(v1alpha1.StatePassing, ""))
}

// NotIn on an absent key, endPort and named ports are what Kubernetes says they
// are: the network, which another engine decides on, and Netladder's
// explanation agree.
func TestFullExactWords(t *testing.T) {
	const ns = "gateways"
	e := openExample(t, "exact-words", "right")
	matured(t, ns)
	e.apply(t, "wrong")
	for _, c := range []struct {
		path, policy, reason string
		says                 string
	}{
		{"absent-label", "not-in", v1alpha1.ReasonPolicyAdmits, ""},
		{"other-label", "not-in", v1alpha1.ReasonPolicyDenies, "tier"},
		{"range-end", "range", v1alpha1.ReasonPolicyAdmits, ""},
		{"beyond-range", "range", v1alpha1.ReasonPolicyDenies, "8080"},
		{"by-name", "named", v1alpha1.ReasonPolicyAdmits, ""},
		{"same-number-a", "named", v1alpha1.ReasonPolicyDenies, "web"},
		{"same-number-b", "named", v1alpha1.ReasonPolicyDenies, "web"},
	} {
		eventually(t, settled, c.path+" is as Kubernetes does", pathRef{ns, "as-it-is", c.path}.is(v1alpha1.StatePassing, ""))
		pathRef{ns, "as-it-is-not", c.path}.named(t, c.reason, []string{"Ingress of gateways/" + c.policy}, c.says)
	}
}

// A node whose network plugin does not enforce policies is found out, by the
// canary that comes with Netladder and by the paths that policies deny.
func TestFullNobodyEnforces(t *testing.T) {
	const ns, lawless = "vault", "node3"
	openExample(t, "nobody-enforces", "broken")
	path, canary := pathRef{ns, "segmentation", "frontend-must-not-reach-db"}, "policy-enforcement"
	matured(t, ns)
	eventually(t, settled, "proven", path.is(v1alpha1.StatePassing, ""))
	eventually(t, settled, "all nodes enforce", ready(canary))
	if own := auditOf(t, namespace); own.Status.Summary == nil || own.Status.Summary.Findings != 0 {
		t.Errorf("findings about Netladder's own policies: %+v", own.Status)
	}
	undo(t, "policy", "drop", "all")
	lab(t, "policy", "off", lawless)
	d := path.named(t, v1alpha1.ReasonPolicyNotEnforced, []string{"Ingress of vault/vault-only"}, lawless)
	for _, node := range []string{"node1", "node2"} {
		if strings.Contains(d.Message, node) {
			t.Errorf("the diagnosis names %s, which enforces: %s", node, d.Message)
		}
	}
	p, err := path.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range p.WorstPairs {
		if w.TargetNode != lawless {
			t.Errorf("names a pair with a target on %q: %+v", w.TargetNode, w)
		}
	}
	for _, name := range []string{"ingress", "egress"} {
		eventually(t, settled, "the canary sees it: "+name, pathRef{namespace, canary, name}.is(v1alpha1.StateFailing, ""))
		onlyPairsWith(t, canary, name, lawless)
	}
	lab(t, "policy", "drop", lawless)
	eventually(t, settled, "closed again", path.is(v1alpha1.StatePassing, ""))
	eventually(t, settled, "all nodes enforce again", ready(canary))
}
