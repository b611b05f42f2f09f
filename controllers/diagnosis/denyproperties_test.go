// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/status"
)

// drawDeny draws what the probers of a Deny path say, and what happens to its
// pods and nodes.
func drawDeny(t *rapid.T) *denySim {
	d := newDeny()
	results := []result{
		{}, {}, {}, {state: degraded}, {state: pending},
		failingAs(v1alpha1.VerdictConnected), failingAs(v1alpha1.VerdictDropped), failingAs(v1alpha1.VerdictNotListening),
		unknownAs(v1alpha1.VerdictUnsupported, v1alpha1.ReasonUnsupported), unknownAs(v1alpha1.VerdictInconclusive, v1alpha1.ReasonInconclusive),
	}
	// As often as not nearly all is well, so that what is proven is drawn too.
	rarely := rapid.SampledFrom([]int{0, 30}).Draw(t, "calm")
	draw := func(what string, set func(r result)) {
		if rapid.IntRange(0, rarely).Draw(t, "bad") > 0 {
			return
		}
		if r := rapid.SampledFrom(results).Draw(t, what); r.state != "" {
			set(r)
		}
	}
	for _, web := range d.web {
		for _, db := range d.db {
			draw(web+">"+db, func(r result) { d.pair(web, db, r) })
		}
	}
	for _, db := range d.db {
		draw("listener of "+db, func(r result) { d.listener(db, r) })
	}
	for _, from := range []string{"node1", "node2"} {
		for _, to := range []string{"node2", "node3"} {
			draw("wire "+from+">"+to, func(r result) { d.wire(from, to, r) })
		}
	}
	for _, name := range append(d.web[:2:2], d.db...) {
		f := &d.pods[name].facts
		switch rapid.IntRange(0, 5+rarely).Draw(t, name) {
		case 0:
			f.Terminating = true
		case 1:
			f.StartedAt = d.now.Add(-time.Second)
		}
	}
	for _, name := range d.names() {
		n := d.nodes[name]
		switch rapid.IntRange(0, 8+rarely).Draw(t, name) {
		case 0:
			n.facts.Ready = false
		case 1:
			n.facts.Prober.UID = "new"
		case 2:
			n.report.SeenAt = d.now.Add(-time.Hour)
		case 3:
			n.report.ChangedAt = d.now
		case 4:
			if st := &n.report.Assignment.Status; len(st.NotPassing) > 0 {
				st.Cut, st.NotPassing = int32(len(st.NotPassing))-1, st.NotPassing[:1]
			}
		}
	}
	return d
}

// proven is the truth about a pair, by what was drawn.
func (d *denySim) proven(web, db string) bool {
	w, p := d.pods[web], d.pods[db]
	good := func(node, key string) bool {
		n := d.nodes[node]
		r, bad := n.results[key]
		trusted := n.report.Assignment.Status.PodUID == n.facts.Prober.UID && d.now.Sub(n.report.SeenAt) < 160*time.Second
		return trusted && (!bad || r.state == degraded)
	}
	return good(w.facts.Node, denyKey+w.uid+">"+p.ip+":5432") &&
		good(p.facts.Node, listenerKey+p.ip+":5432") && good(w.facts.Node, wireKey+p.facts.Node+"/IPv4")
}

// TestNoProofNoPass: without a proof of each pair no Deny path is Passing, nor
// Degraded, if it was not before; and with all of them it is.
func TestNoProofNoPass(t *testing.T) {
	passed := 0
	rapid.Check(t, func(t *rapid.T) {
		d := drawDeny(t)
		all := true
		for _, web := range d.web {
			for _, db := range d.db {
				all = all && d.proven(web, db)
			}
		}
		p := d.judge()
		if p.Pairs.Total() != 4 {
			t.Fatalf("%+v do not add up", p.Pairs)
		}
		passes := p.State == passing || p.State == degraded
		if passes {
			passed++
		}
		if passes && !all {
			t.Fatalf("%s without proof: %+v", p.State, p)
		}
	})
	if passed == 0 {
		t.Error("nothing was ever proven")
	}
}

// TestDenyOrderDoesNotMatter: neither that of a report nor that of the proofs.
func TestDenyOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDeny(t)
		if rapid.Bool().Draw(t, "hidden") {
			for _, db := range d.db {
				d.pods[db].facts.Namespace = "store"
			}
			d.check.Spec.Paths[0].To = v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Namespace: "store"}}
		}
		first := diagnosis.Summarize(d.input())
		for _, n := range d.nodes {
			st := &n.report.Assignment.Status
			st.NotPassing = rapid.Permutation(st.NotPassing).Draw(t, "entries")
			st.Groups = rapid.Permutation(st.Groups).Draw(t, "groups")
		}
		d.path.Proofs = rapid.Permutation(d.path.Proofs).Draw(t, "proofs")
		for range 3 {
			if diff := cmp.Diff(first, diagnosis.Summarize(d.input())); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// TestProofsMakeNoAllowPathPass: an Allow path is what its pairs are.
func TestProofsMakeNoAllowPathPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDeny(t)
		d.check.Spec.Paths[0].Expect = v1alpha1.ExpectAllow
		for _, n := range d.nodes {
			for i := range n.report.Assignment.Spec.Groups {
				n.report.Assignment.Spec.Groups[i].Expect = ""
			}
		}
		with := d.judge()
		d.path.Proofs = nil
		if diff := cmp.Diff(with, d.judge()); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestHostileProofs: whatever two probers say, they prove nothing that is the
// third one's to prove, and break no limits.
func TestHostileProofs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDeny().listener("db-0", failingAs(v1alpha1.VerdictNotListening))
		if rapid.Bool().Draw(t, "persisted") {
			d.keep()
		}
		for _, name := range []string{"node1", "node3"} {
			n := d.nodes[name]
			st := &n.report.Assignment.Status
			if rapid.Bool().Draw(t, "claims") {
				st.Groups = append(st.Groups, *d.said("node2", listenerKey))
				st.Groups[len(st.Groups)-1].Pairs = counts(0, 1, 0, 0, 0)
			}
			if rapid.Bool().Draw(t, "hostile") {
				hostile(t, n)
			}
			for i := range rapid.SampledFrom([]int{0, 1, 10_000}).Draw(t, "forged") {
				e := v1alpha1.PairStatus{Group: denyKey, Target: "uid-web-1>10.244.1.10:5432", State: failing, Verdict: v1alpha1.VerdictConnected}
				if i > 0 {
					e.Target, e.Evidence = fmt.Sprintf("uid-%d>10.0.0.1:1", i), strings.Repeat("\x1b", 1000)
				}
				st.NotPassing = append(st.NotPassing, e)
			}
		}
		got := status.For(d.check, diagnosis.Summarize(d.input()), d.now)
		p := got.Paths[0]
		if p.Pairs.Total() != 4 || p.State == passing || p.State == degraded {
			t.Fatalf("got %+v", p)
		}
		for _, w := range p.WorstPairs {
			if w.Source == "web-1" && w.SourceNode != "node2" || w.State == failing && w.Source != "web-0" {
				t.Fatalf("forged: %+v", w)
			}
		}
		checkLimits(t, got)
	})
}

// BenchmarkDeny judges 1,000 pairs: 100 pods on 50 nodes, to 10 pods.
func BenchmarkDeny(b *testing.B) {
	for name, do := range map[string]func(d *denySim){
		"proven":      func(*denySim) {},
		"unproven":    func(d *denySim) { d.path.Proofs = nil },
		"notProvable": func(d *denySim) { d.listenersFail() },
	} {
		b.Run(name, func(b *testing.B) {
			d := manyPairs(50)
			do(d)
			in := d.input()
			b.ReportAllocs()
			for b.Loop() {
				p := diagnosis.Summarize(in).Paths[0]
				if p.Pairs.Total() != 1000 || (p.State == passing) != (name == "proven") {
					b.Fatalf("%+v", p)
				}
			}
		})
	}
}

func (d *denySim) listenersFail() {
	for _, db := range d.db {
		p := d.pods[db]
		d.nodes[p.facts.Node].results[listenerKey+p.ip+":5432"] = failingAs(v1alpha1.VerdictNotListening)
	}
	d.heartbeat()
}

// manyPairs has two sources on each node and ten targets in all.
func manyPairs(nodes int) *denySim {
	d := newDeny()
	d.web, d.db = nil, nil
	for i := range nodes {
		node := fmt.Sprintf("node%03d", i)
		d.addNode(node, t0.Add(-time.Hour))
		for k := range 2 {
			name := fmt.Sprintf("web-%d-%d", i, k)
			d.add(name, node, fmt.Sprintf("10.%d.0.%d", i, k+1))
			d.web = append(d.web, name)
		}
		if i < 10 {
			name := fmt.Sprintf("db-%d", i)
			d.add(name, node, fmt.Sprintf("10.%d.1.1", i))
			d.db = append(d.db, name)
		}
	}
	return d.again()
}

// TestDenyCost: the time goes with the pairs, not with their square.
func TestDenyCost(t *testing.T) {
	allocs := func(nodes int) float64 {
		in := manyPairs(nodes).input()
		if p := diagnosis.Summarize(in).Paths[0]; p.State != passing || p.Pairs.Passing != int32(nodes*20) {
			t.Fatalf("%+v", p)
		}
		return testing.AllocsPerRun(5, func() { diagnosis.Summarize(in) })
	}
	if small, large := allocs(20), allocs(200); large > 12*small {
		t.Errorf("%.0f allocations for 400 pairs, %.0f for 4,000", small, large)
	}
}
