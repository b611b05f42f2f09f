// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"strings"
	"testing"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
)

const address = "169.254.169.254:80"

// newHost is a path to one address, proven by a control.
func newHost() *denySim {
	d := newDeny()
	d.check.Spec.Paths[0].To = v1alpha1.Target{Host: &v1alpha1.HostTarget{}}
	d.db, d.targets = nil, []v1alpha1.AssignedTarget{{IP: "169.254.169.254", Port: 80}}
	d.proofs = []v1alpha1.ProbeKind{v1alpha1.ProbeHostControl}
	return d.again()
}

func (d *denySim) control(node string, r result) *denySim {
	return d.result(node, controlKey+address, r)
}

// newService is a path to a cluster IP, with db-0 and db-1 behind it.
func newService() *denySim {
	d := newDeny()
	d.check.Spec.Paths[0].To = v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: "db"}}
	d.again()
	vip := v1alpha1.AssignedTarget{IP: "10.96.0.9", Port: 5432}
	for _, n := range d.nodes {
		spec := &n.report.Assignment.Spec
		spec.Targets = append(spec.Targets, vip)
		for i := range spec.Groups {
			if g := &spec.Groups[i]; g.Key == denyKey {
				g.Members = []int32{int32(len(spec.Targets) - 1)}
			}
		}
	}
	d.heartbeat()
	return d
}

// fromHost makes the nodes' host network the source of a path.
func (d *denySim) fromHost() *denySim {
	d.settings.Namespace = "commerce"
	for _, n := range d.nodes {
		for i := range n.report.Assignment.Spec.Groups {
			if g := &n.report.Assignment.Spec.Groups[i]; g.Key == denyKey {
				g.From, g.Sources = v1alpha1.SourceHost, nil
			}
		}
	}
	d.heartbeat()
	return d
}

// TestDenyOther: targets that are no pods.
func TestDenyOther(t *testing.T) {
	none := failingAs(v1alpha1.VerdictNotListening)
	for name, tc := range map[string]struct {
		from func() *denySim
		do   func(d *denySim)
		want want
		says string
	}{
		"control": {newHost, func(*denySim) {}, want{passing, "", counts(0, 2, 0, 0, 0)}, "blocked, and proven"},
		"no control": {newHost, func(d *denySim) { d.control("node1", failingAs(v1alpha1.VerdictRefused)) },
			want{unknown, v1alpha1.ReasonNoControl, counts(0, 1, 0, 0, 1)}, "169.254.169.254:80 does not answer node node1 either (Refused), so nothing"},
		"inconclusive control": {newHost, func(d *denySim) {
			d.control("node1", unknownAs(v1alpha1.VerdictInconclusive, v1alpha1.ReasonInconclusive))
		}, want{unknown, v1alpha1.ReasonNoControl, counts(0, 1, 0, 0, 1)}, "does not answer node node1"},
		"control not made": {newHost, func(d *denySim) {
			d.control("node1", unknownAs(v1alpha1.VerdictUnsupported, v1alpha1.ReasonUnsupported))
		}, want{unknown, v1alpha1.ReasonControlUnavailable, counts(0, 1, 0, 0, 1)}, "--level=Full"},
		"control of another node": {newHost, func(d *denySim) { d.path.Proofs[0].Sources = []string{"node2"} },
			want{unknown, v1alpha1.ReasonControlUnavailable, counts(0, 1, 0, 0, 1)}, "node node1 has no prober"},
		"host open": {newHost, func(d *denySim) {
			d.result("node1", denyKey+"uid-web-0>"+address, failingAs(v1alpha1.VerdictConnected))
		}, want{failing, "", counts(0, 1, 0, 1, 0)}, "open: web-0 reached 169.254.169.254:80 (Connected); this path expects Deny"},
		"host to host":       {newHost, func(d *denySim) { d.fromHost() }, want{unknown, v1alpha1.ReasonNoControl, counts(0, 0, 0, 0, 2)}, "there is no other control"},
		"no pod, no control": {newHost, func(d *denySim) { d.path.Proofs = nil }, want{unknown, v1alpha1.ReasonControlUnavailable, counts(0, 0, 0, 0, 2)}, ""},

		"service":                      {newService, func(*denySim) {}, want{passing, "", counts(0, 2, 0, 0, 0)}, "blocked, and proven"},
		"one endpoint does not listen": {newService, func(d *denySim) { d.listener("db-0", none) }, want{passing, "", counts(0, 2, 0, 0, 0)}, ""},
		"no endpoint listens": {newService, func(d *denySim) { d.listener("db-0", none).listener("db-1", none) },
			want{unknown, v1alpha1.ReasonTargetNotListening, counts(0, 0, 0, 0, 2)}, "such as: pod db-0 does not listen on TCP 5432, so"},
		"the wire to the one that listens is broken": {newService, func(d *denySim) {
			d.listener("db-0", none).wire("node1", "node3", failingAs(v1alpha1.VerdictDropped))
		}, want{unknown, v1alpha1.ReasonPathNotProven, counts(0, 1, 0, 0, 1)}, "node3 either (Dropped)"},
		"no endpoints known": {newService, func(d *denySim) {
			for _, n := range d.nodes {
				n.report.Assignment.Spec.Nodes = nil
			}
		}, want{unknown, v1alpha1.ReasonReportInconsistent, counts(0, 0, 0, 0, 2)}, ""},
		"endpoints hidden": {newService, func(d *denySim) { d.path.Undisclosed, d.path.Proofs = []string{"a", "b"}, nil },
			want{unknown, v1alpha1.ReasonControlNotPermitted, counts(0, 0, 0, 0, 2)}, "namespaces a, b do not disclose to namespace commerce"},
		"from the host": {newService, func(d *denySim) { d.fromHost() }, want{passing, "", counts(0, 2, 0, 0, 0)}, ""},
		"from the host, all that listen are on it": {newService, func(d *denySim) { d.fromHost().listener("db-1", none) },
			want{unknown, v1alpha1.ReasonTargetNotListening, counts(0, 1, 0, 0, 1)}, ""},

		"from the host to a pod on it": {newDeny, func(d *denySim) { d.fromHost() },
			want{unknown, v1alpha1.ReasonNotProvable, counts(0, 3, 0, 0, 1)}, "node node2 reaches pod db-0, which is on it, whatever policies say"},
	} {
		t.Run(name, func(t *testing.T) {
			d := tc.from()
			tc.do(d)
			p := d.judge()
			if got := (want{p.State, p.Reason, p.Pairs}); got != tc.want {
				t.Errorf("got %+v, want %+v\nmessage: %s", got, tc.want, p.Message)
			}
			if !strings.Contains(p.Message, tc.says) {
				t.Errorf("got %s", p.Message)
			}
		})
	}
}

// TestServiceWaits: endpoints that are new may still be proven.
func TestServiceWaits(t *testing.T) {
	d := newService()
	d.keep()
	for _, key := range []string{"node2", "node3"} {
		d.said(key, listenerKey).Hash = "Listener-0"
		d.nodes[key].report.ChangedAt = d.now
	}
	if p := d.judge(); p.State != passing || p.Pairs != counts(2, 0, 0, 0, 0) {
		t.Errorf("got %s %+v", p.State, p.Pairs)
	}
	d.after(25 * time.Second)
	if p := d.judge(); p.State != unknown || p.Reason != v1alpha1.ReasonControlUnavailable {
		t.Errorf("got %s %s", p.State, p.Reason)
	}
}

// TestPortOfUDP names the protocol.
func TestPortOfUDP(t *testing.T) {
	d := newDeny()
	for _, n := range d.nodes {
		for i := range n.report.Assignment.Spec.Targets {
			n.report.Assignment.Spec.Targets[i].Protocol = v1alpha1.ProtocolUDP
		}
	}
	d.result("node2", listenerKey+"10.244.1.10:5432/UDP", unknownAs(v1alpha1.VerdictInconclusive, v1alpha1.ReasonInconclusive))
	if p := d.judge(); !strings.Contains(p.Message, "pod db-0 listens on UDP 5432 and does not answer its own node node2 either, so nothing proves") {
		t.Errorf("got %s", p.Message)
	}
}

// TestServiceFamilies: an endpoint of one IP family proves nothing of another.
func TestServiceFamilies(t *testing.T) {
	d := newService()
	for _, n := range d.nodes {
		spec := &n.report.Assignment.Spec
		spec.Targets[len(spec.Targets)-1].IP = "fd00::9"
		for i := range spec.Pods {
			spec.Pods[i].IPs = append(spec.Pods[i].IPs, "fd00::1")
		}
	}
	d.heartbeat()
	if p := d.judge(); p.State != unknown || p.Pairs != counts(0, 0, 0, 0, 2) {
		t.Errorf("got %s %+v", p.State, p.Pairs)
	}
}
