// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
)

// allow turns the path into one that must work.
func (d *denySim) allow() *denySim {
	d.check.Spec.Paths[0].Expect, d.main.Expect = v1alpha1.ExpectAllow, ""
	return d.again()
}

// again assigns what was changed, as if long ago.
func (d *denySim) again() *denySim {
	d.assignDeny("1")
	for _, n := range d.nodes {
		n.report.ChangedAt = t0.Add(-time.Hour)
	}
	d.heartbeat()
	return d
}

// elsewhere moves a pod to another namespace, which the path selects too.
func (d *denySim) elsewhere(pod, namespace string) *denySim {
	d.pods[pod].facts.Namespace = namespace
	d.check.Spec.Paths[0].To.Pods = &v1alpha1.PodsTarget{NamespaceSelector: &metav1.LabelSelector{}}
	return d.again()
}

// TestDenyMessages: the sentence names the objects and the next step.
func TestDenyMessages(t *testing.T) {
	const tail = "so nothing proves that a policy blocks it: "
	for name, tc := range map[string]struct {
		do   func(d *denySim)
		want string
	}{
		"proven": {func(*denySim) {}, "blocked, and proven: the targets listen, and the way to them works"},
		"one is open": {func(d *denySim) { d.open("web-0", "db-1") },
			"open: web-0 reached db-1:5432 (Connected); this path expects Deny"},
		"open on one node": {func(d *denySim) { d.open("web-0", "db-0").open("web-1", "db-0") },
			"open: web-0 reached db-0:5432 (Connected), web-1 reached db-0:5432 (Connected); all 2 open pairs aim at db-0:5432; this path expects Deny"},
		"open from one": {func(d *denySim) { d.open("web-0", "db-0").open("web-0", "db-1") },
			"open: web-0 reached db-0:5432 (Connected), web-0 reached db-1:5432 (Connected); all 2 open pairs start at web-0; this path expects Deny"},
		"open here and there": {func(d *denySim) { d.open("web-0", "db-0").open("web-1", "db-1") },
			`open: web-0 reached db-0:5432 (Connected), web-1 reached db-1:5432 (Connected); all 2 open pairs involve node "node2"; this path expects Deny`},
		"open from one node": {func(d *denySim) {
			d.add("web-1", "node1", "10.244.0.11")
			d.again().open("web-0", "db-0").open("web-1", "db-1")
		}, `open: web-0 reached db-0:5432 (Connected), web-1 reached db-1:5432 (Connected); all 2 open pairs start on node "node1"; this path expects Deny`},
		"open to one node": {func(d *denySim) {
			d.add("db-1", "node2", "10.244.1.12")
			d.again().open("web-0", "db-0").open("web-1", "db-1")
		}, `open: web-0 reached db-0:5432 (Connected), web-1 reached db-1:5432 (Connected); all 2 open pairs aim at node "node2"; this path expects Deny`},
		"not listening": {func(d *denySim) { d.listener("db-0", failingAs(v1alpha1.VerdictNotListening)) },
			"2 of 4 pairs are not proven to be blocked: 2 TargetNotListening, such as: pod db-0 does not listen on TCP 5432, " + tail + "start what listens there, or correct the port"},
		"its node": {func(d *denySim) { d.wire("node1", "node3", failingAs(v1alpha1.VerdictDropped)) },
			"1 of 4 pairs is not proven to be blocked: the prober on node1 does not reach the echo pod on node3 either (Dropped), so nothing proves that it is a policy that blocks pod db-1: repair the network between the two nodes"},
		"two reasons": {func(d *denySim) {
			d.wire("node1", "node3", failingAs(v1alpha1.VerdictDropped)).listener("db-0", failingAs(v1alpha1.VerdictRejected))
			d.pair("web-1", "db-1", result{state: unknown, verdict: v1alpha1.VerdictIntercepted, reason: v1alpha1.ReasonIntercepted, evidence: "192.0.2.1:80 answers"})
		}, "4 of 4 pairs are not proven to be blocked: 3 PathNotProven, such as: pod db-0 listens on TCP 5432, but its own node node2 does not get through to it (Rejected), " + tail +
			"let the node reach it; 1 Intercepted: 192.0.2.1:80 answers"},
		"no prober there": {func(d *denySim) { d.path.Proofs[0].Sources = []string{"node2"} },
			"2 of 4 pairs are not proven to be blocked: 2 ControlUnavailable, such as: node node3 has no prober that could tell, so nothing proves that a policy blocks pod db-1: see whether the DaemonSet netladder-prober runs there"},
		"node not ready": {func(d *denySim) {
			d.listener("db-1", failingAs(v1alpha1.VerdictDropped)).nodes["node3"].facts.Ready = false
		}, "2 of 4 pairs are not proven to be blocked: 2 NodeNotReady (node3)"},
		"disclosed by nobody": {func(d *denySim) { d.elsewhere("db-1", "store").path.Undisclosed = []string{"store"} },
			"2 of 4 pairs are not proven to be blocked: 2 ControlNotPermitted, such as: namespace store does not disclose to namespace commerce whether its pods listen, " + tail +
				"label it netladder.io/disclose-to=commerce"},
		"to come": {func(d *denySim) { d.assignDeny("2") },
			"nothing got through, and the proof that something blocks it is still to come"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeny()
			tc.do(d)
			if p := d.judge(); p.Message != tc.want {
				t.Errorf("got  %s (%s)\nwant %s", p.Message, p.State, tc.want)
			}
		})
	}
}

// TestOpenMessageKeepsItsEnd: however many and long the names.
func TestOpenMessageKeepsItsEnd(t *testing.T) {
	d := newDeny()
	for i := range 10 {
		name := fmt.Sprintf("%s-%d", strings.Repeat("w", 250), i)
		d.add(name, "node1", fmt.Sprintf("10.244.0.%d", 100+i))
		d.web = append(d.web, name)
	}
	d.again()
	for _, name := range d.web[2:] {
		d.open(name, "db-0")
	}
	p := d.judge()
	if len(p.Message) > 1024 || !strings.HasPrefix(p.Message, "open: www") || !strings.HasSuffix(p.Message, "…; this path expects Deny") {
		t.Errorf("%d bytes: %s", len(p.Message), p.Message)
	}
}

// TestAllowFromPods: who fails to reach whom, how, and by whose word.
func TestAllowFromPods(t *testing.T) {
	rejected := result{state: failing, verdict: v1alpha1.VerdictRejected, evidence: "ICMP 3/13 from 10.0.0.2"}
	for name, tc := range map[string]struct {
		do    func(d *denySim)
		want  want
		which string
	}{
		"proofs are not asked for": {func(d *denySim) { d.listener("db-0", failingAs(v1alpha1.VerdictNotListening)) },
			want{passing, "", counts(0, 4, 0, 0, 0)}, ""},
		"one fails": {func(d *denySim) { d.pair("web-0", "db-1", rejected) }, want{failing, "", counts(0, 3, 0, 1, 0)},
			"1 of 4 pairs fails: web-0→db-1:5432 Rejected (ICMP 3/13 from 10.0.0.2); the other 3 pairs pass"},
		"two fail": {func(d *denySim) {
			d.pair("web-0", "db-1", rejected).pair("web-1", "db-1", failingAs(v1alpha1.VerdictDropped))
		},
			want{failing, "", counts(0, 2, 0, 2, 0)},
			"all 2 failing pairs aim at db-1:5432: web-0→db-1:5432 Rejected (ICMP 3/13 from 10.0.0.2), web-1→db-1:5432 Dropped; the other 2 pairs pass"},
		"young source": {func(d *denySim) {
			d.pair("web-0", "db-1", rejected).pods["web-0"].facts.StartedAt = d.now.Add(-29 * time.Second)
		},
			want{passing, "", counts(0, 3, 0, 0, 1)}, ""},
		"terminating source": {func(d *denySim) { d.pair("web-0", "db-1", rejected).pods["web-0"].facts.Terminating = true },
			want{passing, "", counts(0, 3, 0, 0, 1)}, ""},
		"young target": {func(d *denySim) {
			d.pair("web-0", "db-1", rejected).pods["db-1"].facts.StartedAt = d.now.Add(-29 * time.Second)
		},
			want{passing, "", counts(0, 3, 0, 0, 1)}, ""},
		"target restarted after the report": {func(d *denySim) {
			d.pair("web-0", "db-1", rejected).pods["db-1"].facts.StartedAt = d.now.Add(time.Second)
			d.after(time.Minute)
		}, want{passing, "", counts(0, 3, 0, 0, 1)}, ""},
		"no longer young": {func(d *denySim) {
			d.pair("web-0", "db-1", rejected).pods["db-1"].facts.StartedAt = d.now.Add(-30 * time.Second)
		},
			want{failing, "", counts(0, 3, 0, 1, 0)}, ""},
		"target node not ready": {func(d *denySim) { d.pair("web-0", "db-1", rejected).nodes["node3"].facts.Ready = false },
			want{passing, "", counts(0, 3, 0, 0, 1)}, ""},
		"source node not ready": {func(d *denySim) { d.pair("web-0", "db-1", rejected).nodes["node1"].facts.Ready = false },
			want{passing, "", counts(0, 3, 0, 0, 1)}, ""},
		"echo pods are not asked for": {func(d *denySim) { d.pair("web-0", "db-1", rejected).nodes["node3"].facts.Echo = nil },
			want{failing, "", counts(0, 3, 0, 1, 0)}, ""},
		"was failing, terminating": {func(d *denySim) {
			d.pair("web-0", "db-1", rejected).keep()
			d.pods["db-1"].facts.Terminating = true
		}, want{failing, "", counts(0, 3, 0, 1, 0)}, ""},
		"none can be entered": {func(d *denySim) {
			for _, web := range d.web {
				for _, db := range d.db {
					d.pair(web, db, result{state: unknown, verdict: v1alpha1.VerdictUnsupported, reason: v1alpha1.ReasonSandboxedRuntime, evidence: "runtime class gvisor"})
				}
			}
		}, want{unknown, v1alpha1.ReasonSandboxedRuntime, counts(0, 0, 0, 0, 4)},
			"nothing is known of any of 4 pairs: 4 SandboxedRuntime (node1, node2); web-0→db-0:5432: runtime class gvisor"},
		"forged source": {func(d *denySim) {
			d.pair("web-0", "db-1", rejected)
			d.nodes["node1"].report.Assignment.Status.NotPassing[0].Target = "uid-web-1>10.244.2.10:5432"
		}, want{passing, "", counts(0, 2, 0, 0, 2)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeny().allow()
			tc.do(d)
			p := d.judge()
			if got := (want{p.State, p.Reason, p.Pairs}); got != tc.want {
				t.Errorf("got %+v, want %+v\nmessage: %s", got, tc.want, p.Message)
			}
			if tc.which != "" && p.Message != tc.which {
				t.Errorf("got  %s\nwant %s", p.Message, tc.which)
			}
		})
	}
}

// TestGonePods: pods that left excuse what is bad about them.
func TestGonePods(t *testing.T) {
	d := newDeny().allow()
	d.pair("web-0", "db-1", failingAs(v1alpha1.VerdictUnreachable))
	for gone, reason := range map[string]string{"web-0": v1alpha1.ReasonSourceReplaced, "db-1": v1alpha1.ReasonTargetReplaced} {
		p := d.judge(gone)
		if p.Pairs != counts(0, 3, 0, 0, 1) || p.WorstPairs[0].Reason != reason || p.WorstPairs[0].Source != "web-0" {
			t.Errorf("%s: %+v %+v", gone, p.Pairs, p.WorstPairs)
		}
	}
}

// TestDisclosure: of a pod in another namespace a tenant is shown the
// namespace, and neither its name nor its address nor its node, unless that
// namespace discloses to it.
func TestDisclosure(t *testing.T) {
	secrets := []string{"db-1", "10.244.2.10", "node3", "secret-policy"}
	for _, expect := range []v1alpha1.Expectation{v1alpha1.ExpectAllow, v1alpha1.ExpectDeny} {
		for _, state := range []v1alpha1.State{failing, degraded, unknown} {
			verdict := v1alpha1.VerdictRejected
			if expect == v1alpha1.ExpectDeny {
				verdict = v1alpha1.VerdictConnected
			}
			do := func(d *denySim) *denySim {
				if expect == v1alpha1.ExpectAllow {
					d.allow()
				}
				d.elsewhere("db-1", "store")
				return d.pair("web-0", "db-1", result{state: state, verdict: verdict, reason: "Inconclusive", evidence: "10.244.2.10 on node3 by secret-policy"})
			}
			t.Run(string(expect)+string(state), func(t *testing.T) {
				hidden := do(newDeny())
				hidden.path.Undisclosed = []string{"store"}
				for i, gone := range [][]string{nil, {"db-1"}} {
					p := hidden.judge(gone...)
					for _, w := range p.WorstPairs {
						if want := []string{"namespace store", "a pod that is gone"}[i]; w.Target != want || w.TargetNode != "" {
							t.Errorf("shown %+v", w)
						}
					}
					all := fmt.Sprintf("%+v", p)
					for _, secret := range secrets {
						if strings.Contains(all, secret) {
							t.Errorf("%s is in %s", secret, all)
						}
					}
				}

				shown := do(newDeny())
				shown.disclosing = map[string]bool{"store": true}
				if w := shown.judge().WorstPairs[0]; w.Target != "store/db-1:5432" || w.TargetNode != "node3" || w.Evidence == "" {
					t.Errorf("shown %+v", w)
				}
				own := do(newDeny())
				own.settings.Namespace = "commerce"
				if w := own.judge().WorstPairs[0]; w.Target != "store/db-1:5432" || w.TargetNode != "node3" {
					t.Errorf("shown %+v", w)
				}
			})
		}
	}
}

// TestSourceNames: a source in another namespace, which only Netladder's own
// checks may have, is named with it.
func TestSourceNames(t *testing.T) {
	d := newDeny()
	d.settings.Namespace = "commerce"
	d.pods["web-0"].facts.Namespace = "shop"
	d.again().open("web-0", "db-0")
	if w := d.judge().WorstPairs[0]; w.Source != "shop/web-0" || w.SourceNode != "node1" {
		t.Errorf("shown %+v", w)
	}
}

// TestFamilies: both addresses of a pod are told apart.
func TestFamilies(t *testing.T) {
	d := newDeny()
	for _, n := range d.nodes {
		spec := &n.report.Assignment.Spec
		for i := range spec.Pods {
			spec.Pods[i].IPs = append(spec.Pods[i].IPs, "fd00::1")
		}
		spec.Targets = append(spec.Targets, v1alpha1.AssignedTarget{IP: "fd00::10", Port: 5432, Protocol: v1alpha1.ProtocolUDP, Node: "node2", UID: "uid-db-0"})
		for i := range spec.Groups {
			if g := &spec.Groups[i]; g.Key == denyKey {
				g.Members = append(g.Members, 2)
			}
		}
	}
	d.result("node1", denyKey+"uid-web-0>[fd00::10]:5432/UDP", failingAs(v1alpha1.VerdictConnected)).open("web-0", "db-0")
	got := ""
	for _, w := range d.judge().WorstPairs[:2] {
		got += w.Source + ">" + w.Target + " "
	}
	if got != "web-0>db-0:5432 web-0>db-0:5432/UDP (IPv6) " {
		t.Errorf("shown %s", got)
	}
}

// TestHiddenNode: why nothing is known of a hidden pod does not tell its node.
func TestHiddenNode(t *testing.T) {
	d := newDeny()
	d.web, d.db = []string{"web-0"}, []string{"db-1"}
	d.allow().elsewhere("db-1", "store").pair("web-0", "db-1", failingAs(v1alpha1.VerdictDropped)).nodes["node3"].facts.Ready = false
	if p := d.judge(); p.Message != "nothing is known of the only pair: 1 NodeNotReady (namespace store)" {
		t.Errorf("got %s", p.Message)
	}
}

// TestSilentProof: a prober whose proofs are missed makes the check not Fresh.
func TestSilentProof(t *testing.T) {
	d := newDeny()
	d.nodes["node3"].report.SeenAt = d.now.Add(-161 * time.Second)
	s := diagnosis.Summarize(d.input())
	if len(s.Stale) != 1 || s.Stale[0] != "node3" {
		t.Errorf("stale are %v", s.Stale)
	}
}

// TestNotPermittedAtOnce: what cannot be proven is not waited for.
func TestNotPermittedAtOnce(t *testing.T) {
	d := newDeny().elsewhere("db-1", "store")
	d.path.Undisclosed = []string{"store"}
	d.pods["db-1"].facts.StartedAt = d.now
	if p := d.judge(); p.State != unknown || p.Reason != v1alpha1.ReasonControlNotPermitted {
		t.Errorf("got %s %s", p.State, p.Reason)
	}
}

// TestReasonsInOrder: what a reason is about is named in order, whatever the
// order of the report.
func TestReasonsInOrder(t *testing.T) {
	d := newDeny().open("web-0", "db-0").open("web-0", "db-1")
	d.pods["db-0"].facts.Terminating, d.pods["db-1"].facts.Terminating = true, true
	slices.Reverse(d.nodes["node1"].report.Assignment.Status.NotPassing)
	if p := d.judge(); !strings.Contains(p.Message, "2 TargetReplaced (db-0:5432, db-1:5432)") {
		t.Errorf("got %s", p.Message)
	}
}
