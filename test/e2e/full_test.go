// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
)

// The stories of this file need the prober's level Full, which hack/e2e.sh
// installs before it runs them.

var (
	frontend = label{"role", "frontend"}
	database = label{"app", "db"}
)

// The order service was forgotten when the policies were written.
func TestFullOrderValidator(t *testing.T) {
	const ns, isolates, misses = "commerce", "default-deny-ingress", "allow-frontend-to-api"
	e := openExample(t, "order-validator", "broken")
	broken, works := pathRef{ns, "order-validator", "inventory"}, pathRef{ns, "order-validator", "frontend"}
	segmented := pathRef{ns, "order-validator", "frontend-must-not-reach-db"}
	matured(t, ns)
	eventually(t, settled, "the order service is blocked", broken.failsWith(v1alpha1.VerdictDropped, ""))
	eventually(t, settled, "the frontend gets through", works.is(v1alpha1.StatePassing, ""))
	eventually(t, settled, "the database is proven to be blocked", segmented.is(v1alpha1.StatePassing, ""))
	p, err := broken.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range p.WorstPairs {
		if !strings.HasPrefix(w.Source, "order-validator-") {
			t.Errorf("the source is %q, want the pod of order-validator", w.Source)
		}
	}
	d := broken.named(t, v1alpha1.ReasonPolicyDenies, []string{"Ingress of commerce/" + isolates, "Ingress of commerce/" + misses},
		isolates, misses, "role=frontend")
	for _, policy := range d.Policies {
		if helm := strings.Contains(policy.ManagedBy, "Helm"); helm != (policy.Name == isolates) || !helm && policy.ManagedBy != "" {
			t.Errorf("policy %s is managed by %q", policy.Name, policy.ManagedBy)
		}
	}
	told(t, ns, "order-validator", "PathFailing", isolates, misses, "role=frontend")
	if text := kubectl(t, "describe", "ccheck", "-n", ns, "order-validator"); !strings.Contains(text, isolates) || !strings.Contains(text, "PolicyDenies") {
		t.Errorf("describe does not name the policy:\n%s", text)
	}
	if text := kubectl(t, "get", "ccheck", "-n", ns, "order-validator"); !strings.Contains(text, string(v1alpha1.RungPolicy)) {
		t.Errorf("the list does not show the rung:\n%s", text)
	}

	r := recordIn(t, ns)
	e.apply(t, "healed")
	eventually(t, recoveryBound, "the order service gets through", broken.is(v1alpha1.StatePassing, ""))
	pause(t, settle)
	for _, tr := range r.all() {
		if tr.path != "order-validator/inventory" {
			t.Errorf("another path changed: %s", tr)
		}
	}
}

// One workload needs the cloud's metadata, another must not have them.
func TestFullMetadata(t *testing.T) {
	const ns = "metadata"
	e := openExample(t, "metadata", "broken")
	allowed, denied := pathRef{ns, "metadata", "agent"}, pathRef{ns, "metadata", "web-must-not"}
	matured(t, ns)
	allowed.named(t, v1alpha1.ReasonPolicyDenies, []string{"Egress of metadata/no-metadata"}, "except 169.254.169.254/32")
	e.apply(t, "healed")
	eventually(t, recoveryBound, "the agent reads metadata", allowed.is(v1alpha1.StatePassing, ""))
	eventually(t, settled, "the web pod is proven not to", denied.is(v1alpha1.StatePassing, ""))
	undo(t, "metadata", "start", "all")
	lab(t, "metadata", "stop", "all")
	eventually(t, settled, "without a server nothing proves the Deny", denied.is(v1alpha1.StateUnknown, v1alpha1.ReasonNoControl))
	eventually(t, settled, "and the agent fails", allowed.is(v1alpha1.StateFailing, ""))
	lab(t, "metadata", "start", "all")
	eventually(t, settled, "proven again", denied.is(v1alpha1.StatePassing, ""))
}

// A target that does not listen proves nothing.
func TestFullDeadTarget(t *testing.T) {
	const ns = "dead-target"
	makeNamespace(t, ns)
	startApp(t, ns, "frontend", "node1", frontend)
	target := startApp(t, ns, "db", "node2", database)
	isolate(t, ns, "nobody", database.selector())
	create(t, ns, "database",
		deny("tcp", fromPods(frontend), toPods(database, 5432, v1alpha1.ProtocolTCP)),
		deny("udp", fromPods(frontend), toPods(database, 5353, v1alpha1.ProtocolUDP)),
	)
	for _, c := range []struct {
		protocol string
		port     string
	}{{"tcp", "5432"}, {"udp", "5353"}} {
		path := pathRef{ns, "database", c.protocol}
		dead := path.is(v1alpha1.StateUnknown, v1alpha1.ReasonTargetNotListening)
		eventually(t, settled, c.protocol+": nothing listens", dead)
		for _, address := range []string{target.Status.PodIP, "0.0.0.0", "[::]"} {
			closeIt := listen(t, target, c.protocol, address+":"+c.port)
			eventually(t, 2*detectionBound, c.protocol+" on "+address+" is proven", path.is(v1alpha1.StatePassing, ""))
			closeIt()
			eventually(t, 2*detectionBound, c.protocol+" on "+address+" is closed", dead)
		}
		closeIt := listen(t, target, c.protocol, "127.0.0.1:"+c.port)
		path.stays(t, 3*interval, v1alpha1.StateUnknown)
		closeIt()
	}
}

// What a broken overlay blocks is not blocked by policy.
func TestFullBrokenWire(t *testing.T) {
	const ns = "broken-wire"
	makeNamespace(t, ns)
	startApp(t, ns, "frontend", "node1", frontend)
	startApp(t, ns, "near", "node1", label{"app", "near"}, "--tcp=:5432")
	startApp(t, ns, "far", faultNode, label{"app", "far"}, "--tcp=:5432")
	isolate(t, ns, "nobody", everyPod)
	create(t, ns, "database",
		deny("near", fromPods(frontend), toPods(label{"app", "near"}, 5432, "")),
		deny("far", fromPods(frontend), toPods(label{"app", "far"}, 5432, "")),
	)
	near, far := pathRef{ns, "database", "near"}, pathRef{ns, "database", "far"}
	eventually(t, settled, "near is proven", near.is(v1alpha1.StatePassing, ""))
	eventually(t, settled, "far is proven", far.is(v1alpha1.StatePassing, ""))
	grown(t, ns)
	calm(t)
	heal := breakNetwork(t, "vxlan", faultNode)
	eventually(t, slack*detectionBound, "far is not proven any more", far.is(v1alpha1.StateUnknown, v1alpha1.ReasonPathNotProven))
	far.stays(t, 3*interval, v1alpha1.StateUnknown)
	near.stays(t, interval, v1alpha1.StatePassing)
	heal()
	eventually(t, slack*detectionBound, "far is proven again", far.is(v1alpha1.StatePassing, ""))
}

// Filters say no in different ways; all of them are no.
func TestFullRejectStyles(t *testing.T) {
	const ns = "reject-styles"
	makeNamespace(t, ns)
	source := startApp(t, ns, "frontend", "node1", frontend)
	startApp(t, ns, "db", "node2", database, "--tcp=:5432")
	isolate(t, ns, "nobody", database.selector())
	create(t, ns, "denied", deny("database", fromPods(frontend), toPods(database, 5432, "")))
	create(t, ns, "twin", allow("database", fromPods(frontend), toPods(database, 5432, "")))
	denied, twin := pathRef{ns, "denied", "database"}, pathRef{ns, "twin", "database"}
	eventually(t, settled, "denied", denied.is(v1alpha1.StatePassing, ""))
	eventually(t, settled, "its twin fails", twin.failsWith(v1alpha1.VerdictDropped, ""))
	pods, err := podsOf(t.Context(), "prober")
	if err != nil {
		t.Fatal(err)
	}
	undo(t, "policy", "drop", "all")
	r := recordIn(t, ns)
	events := eventsAbout(t, ns, "denied")
	for _, c := range []struct {
		style   string
		verdict v1alpha1.Verdict
		// offender is a part of the evidence of the twin: who rejects.
		offender string
	}{
		{"icmp", v1alpha1.VerdictRejected, "ICMP 3/3 (port unreachable) from "},
		{"reset", v1alpha1.VerdictRefused, ""},
		{"drop", v1alpha1.VerdictDropped, ""},
	} {
		seen := func() float64 {
			return metric(t, pods[source.Spec.NodeName], "netladder_probes_total",
				`check="denied"`, fmt.Sprintf("verdict=%q", c.verdict))
		}
		before := seen()
		lab(t, "policy", c.style, "all")
		// That a path fails for another reason is told with the next heartbeat.
		eventually(t, 2*time.Minute, c.style+": the twin shows the verdict", twin.failsWith(c.verdict, c.offender))
		denied.stays(t, 3*interval, v1alpha1.StatePassing)
		if after := seen(); after <= before {
			t.Errorf("%s: %v probes with verdict %s, before %v", c.style, after, c.verdict, before)
		}
	}
	for _, tr := range r.all() {
		t.Errorf("a path changed although all styles deny: %s", tr)
	}
	if now := eventsAbout(t, ns, "denied"); now != events {
		t.Errorf("%d events about the denied path, %d before the styles changed", now, events)
	}
}

// A node that does not enforce policies leaves its pods open.
func TestFullOpenSegmentation(t *testing.T) {
	const ns = "segmentation"
	makeNamespace(t, ns)
	startApp(t, ns, "frontend-1", "node1", frontend)
	startApp(t, ns, "frontend-2", "node3", frontend)
	startApp(t, ns, "db-1", "node1", database, "--tcp=:5432")
	startApp(t, ns, "db-2", "node2", database, "--tcp=:5432")
	isolate(t, ns, "nobody", database.selector())
	create(t, ns, "segmentation", deny("database", fromPods(frontend), toPods(database, 5432, "")))
	path := pathRef{ns, "segmentation", "database"}
	eventually(t, settled, "proven", path.is(v1alpha1.StatePassing, ""))
	grown(t, ns)
	undo(t, "policy", "drop", "all")
	lab(t, "policy", "off", "node2")
	eventually(t, slack*detectionBound, "open", path.failsWith(v1alpha1.VerdictConnected, ""))
	p, err := path.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range p.WorstPairs {
		if w.TargetNode != "node2" {
			t.Errorf("names a pair with a target on %q: %+v", w.TargetNode, w)
		}
	}
	lab(t, "policy", "drop", "node2")
	eventually(t, slack*detectionBound, "closed again", path.is(v1alpha1.StatePassing, ""))
}
