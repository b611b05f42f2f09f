// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"
	"slices"

	"github.com/netladder/netladder/api/v1alpha1"
)

// proof is how far it is proven that something blocks a Deny pair that
// nothing gets through.
type proof struct {
	proven bool
	// waiting is true while the proof may still come: the pair counts as
	// Pending, and the path keeps the state that it had.
	waiting bool
	// reason why it is not proven, the verdict that says so, and the sentence.
	reason  string
	verdict v1alpha1.Verdict
	text    string
	// why is what excuses it, where it is not the proof itself that fails.
	why mask
}

// provenOf judges n pairs that are not listed and that pass at their prober,
// and returns how many of them are proven. Where some of those that are not
// listed are pending or cut it is not known which n they are: then as many as
// can be count as not proven.
func (j *judge) provenOf(t *tally, c *claim, n int32) int32 {
	pairs := c.all()
	for i := range pairs {
		if n == 0 {
			break
		}
		if c.lists(pairs[i].key) {
			continue
		}
		b := bad{pair: &pairs[i]}
		if f := j.prove(t, c, &b); !f.proven {
			n--
			j.unproven(t, &b, &f)
		}
	}
	return n
}

// unproven counts a pair that is not proven.
func (j *judge) unproven(t *tally, b *bad, f *proof) {
	if f.waiting {
		t.counts.Pending++
		t.waiting++
		t.settling = true
		return
	}
	b.state, b.reason, b.verdict, b.evidence = v1alpha1.StateUnknown, f.reason, f.verdict, f.text
	t.explain(b, f.text)
	b.since = j.since(t, b, nil, f.why)
	t.add(b, mask{reason: f.reason, node: f.why.node})
}

// prove says whether a pair is proven to be blocked. If it is not, it names b.
// What comes or goes is not proven yet, or was until now: that is no news.
func (j *judge) prove(t *tally, c *claim, b *bad) proof {
	f := j.proofOf(t, c, b.pair)
	if f.proven {
		return f
	}
	*b = j.name(t, c, b.pair)
	if f.reason == v1alpha1.ReasonNotProvable || f.reason == v1alpha1.ReasonControlNotPermitted {
		return f
	}
	if j.settles(t, c, b) {
		f.waiting = true
		return f
	}
	if node := b.targetNode; node != "" {
		if m := j.nodeMask(node, j.in.Nodes[node]); m.active() {
			return proof{reason: m.reason, why: m}
		}
	}
	return f
}

// settles is true while a pair comes or goes.
func (j *judge) settles(t *tally, c *claim, b *bad) bool {
	if t.canary != "" {
		return j.canarySettles(t, c, b.pair)
	}
	return j.podMask(b, c.src.report.SeenAt).active()
}

func (j *judge) proofOf(t *tally, c *claim, p *pair) proof {
	switch {
	case t.canary != "":
		return j.proveCanary(t, c, p)
	case p.targetPod() != "":
		return j.provePod(t, c, p)
	case t.proofs.has(v1alpha1.ProbeListener) && !j.hear(t, v1alpha1.ProbeHostControl, c.src).holds(p.aim()):
		return j.proveService(t, c, p)
	case len(t.undisclosed) > 0 && !t.proofs.has(v1alpha1.ProbeHostControl):
		return j.notPermitted(t.undisclosed)
	}
	return j.proveControl(t, c, p)
}

// provePod: the target listens, and the way to its node works.
func (j *judge) provePod(t *tally, c *claim, p *pair) proof {
	if w := j.in.Pods[p.targetPod()]; w != nil && (j.hides(t, w.Namespace) || slices.Contains(t.undisclosed, w.Namespace)) {
		return j.notPermitted([]string{w.Namespace})
	}
	if c.group.From == v1alpha1.SourceHost && p.node == c.src.name {
		return proof{reason: v1alpha1.ReasonNotProvable, text: "node " + p.node + " reaches " + j.targetOf(t, p) +
			", which is on it, whatever policies say, so nothing can prove that one blocks it: " +
			"let from.nodes or the target leave that node out"}
	}
	listener := j.listens(t, c, j.source(p.node), p.aim(), p)
	wire := j.wired(t, c, p.node, p)
	return both(listener, wire)
}

// both is proven if both are. What was seen counts for more than what was not.
func both(a, b proof) proof {
	switch {
	case a.proven:
		return b
	case b.proven, rankOfProof(&a) <= rankOfProof(&b):
		return a
	}
	return b
}

// rankOfProof orders what is not proven: what was seen before what was not
// seen, that before what may still come.
func rankOfProof(f *proof) int {
	switch {
	case f.waiting:
		return 4
	case f.reason == v1alpha1.ReasonTargetNotListening:
		return 0
	case f.reason == v1alpha1.ReasonPathNotProven:
		return 1
	case f.reason == v1alpha1.ReasonInconclusive:
		return 2
	}
	return 3
}

// proveService: one of the endpoints that the source's node has a wire to is
// enough, since any of them would have been reached.
func (j *judge) proveService(t *tally, c *claim, p *pair) proof {
	at := serviceAt{node: c.src.name, from: c.group.From, ipv4: p.addr.Addr().Is4(), aim: p.aim()}
	if f, ok := t.proofs.services[at]; ok {
		return f
	}
	if t.proofs.services == nil {
		t.proofs.services = map[serviceAt]proof{}
	}
	f := j.bestEndpoint(t, c, p)
	t.proofs.services[at] = f
	return f
}

func (j *judge) bestEndpoint(t *tally, c *claim, p *pair) proof {
	wires, best, own := j.hear(t, v1alpha1.ProbeWire, c.src), proof{}, false
	for _, w := range wires.pairs {
		ip := w.pair.addr.Addr()
		if ip.Is4() != p.addr.Addr().Is4() {
			continue
		}
		if c.group.From == v1alpha1.SourceHost && w.pair.node == c.src.name {
			own = true
			continue
		}
		prober := j.source(w.pair.node)
		for aim, l := range j.hear(t, v1alpha1.ProbeListener, prober).pairs {
			if l.pair.addr.Addr().Is4() != ip.Is4() {
				continue
			}
			f := both(j.listens(t, c, prober, aim, &l.pair), j.wired(t, c, w.pair.node, &l.pair))
			if f.proven {
				return f
			}
			best = likelier(best, f)
		}
	}
	switch {
	case best.reason != "":
		return best
	case own:
		return proof{reason: v1alpha1.ReasonNotProvable, text: "node " + c.src.name + " reaches the endpoints of " + j.targetOf(t, p) +
			" that are on it whatever policies say, so nothing can prove that one blocks it: let from.nodes leave that node out"}
	}
	return j.silence(wires, c, j.targetOf(t, p))
}

// likelier is the one of two endpoints that is closer to a proof; the first by
// its sentence among equals.
func likelier(a, b proof) proof {
	switch {
	case a.reason == "":
		return b
	case cmp.Or(cmp.Compare(hope(&a), hope(&b)), cmp.Compare(a.text, b.text)) <= 0:
		return a
	}
	return b
}

func hope(f *proof) int {
	switch {
	case f.waiting:
		return 0
	case f.reason == v1alpha1.ReasonPathNotProven:
		return 1
	case f.reason == v1alpha1.ReasonInconclusive:
		return 2
	case f.reason == v1alpha1.ReasonTargetNotListening:
		return 3
	}
	return 4
}

// proveControl: the source's node gets through to a target that is no pod.
func (j *judge) proveControl(t *tally, c *claim, p *pair) proof {
	target := j.targetOf(t, p)
	if c.group.From == v1alpha1.SourceHost {
		return proof{reason: v1alpha1.ReasonNoControl, text: target + " does not answer node " + c.src.name +
			", and there is no other control beside it, " + unprovenFor + ": use from.pods"}
	}
	h := j.hear(t, v1alpha1.ProbeHostControl, c.src)
	a := h.answer(p.aim(), "")
	switch {
	case a.proven:
		return proof{proven: true}
	case a.entry == nil:
		return j.silence(h, c, target)
	case a.notMade():
		return notMade(c.src.name, target, a)
	}
	return proof{reason: v1alpha1.ReasonNoControl, verdict: a.entry.Verdict, text: target + " does not answer node " + c.src.name +
		" either" + seen(a.entry.Verdict) + ", " + unprovenFor + ": start it, or correct the address"}
}

// wired: the echo pod of the target's node answers the source's prober.
func (j *judge) wired(t *tally, c *claim, node string, p *pair) proof {
	h := j.hear(t, v1alpha1.ProbeWire, c.src)
	a := h.answer(v1alpha1.MeshPairKey(node, p.addr.Addr()), "")
	if a.proven {
		return proof{proven: true}
	}
	target := j.targetOf(t, p)
	switch facts := j.in.Nodes[node]; {
	case !a.assigned && facts != nil && facts.Echo == nil:
		return proof{reason: v1alpha1.ReasonPathNotProven, text: "node " + node + " has no echo pod that the way there could be tried with, so nothing proves that a policy blocks " +
			target + ": see whether the DaemonSet " + v1alpha1.EchoName + " runs there"}
	case a.entry == nil:
		return j.silence(h, c, target)
	case a.notMade():
		return notMade(c.src.name, target, a)
	}
	where := "between the two nodes"
	if node == c.src.name {
		where = "of that node"
	}
	return proof{reason: v1alpha1.ReasonPathNotProven, verdict: a.entry.Verdict, text: "the prober on " + c.src.name +
		" does not reach the echo pod on " + node + " either" + seen(a.entry.Verdict) +
		", so nothing proves that it is a policy that blocks " + target + ": repair the network " + where}
}

// listens: the target listens, and its own node gets through to it.
func (j *judge) listens(t *tally, c *claim, prober *source, aim string, p *pair) proof {
	h := j.hear(t, v1alpha1.ProbeListener, prober)
	a := h.answer(aim, p.targetPod())
	if a.proven {
		return proof{proven: true}
	}
	target := j.targetOf(t, p)
	switch {
	case a.entry == nil:
		return j.silence(h, c, target)
	case a.entry.Verdict == v1alpha1.VerdictNotListening:
		return proof{reason: v1alpha1.ReasonTargetNotListening, verdict: a.entry.Verdict,
			text: target + " does not listen on " + portOf(p) + ", " + unprovenFor + ": start what listens there, or correct the port"}
	case a.inconclusive():
		return proof{reason: v1alpha1.ReasonInconclusive, verdict: a.entry.Verdict,
			text: target + " listens on " + portOf(p) + " and does not answer its own node " + prober.name + " either, " + unprovenFor +
				": aim at a port that answers"}
	case a.notMade():
		return notMade(prober.name, target, a)
	}
	return proof{reason: v1alpha1.ReasonPathNotProven, verdict: a.entry.Verdict,
		text: target + " listens on " + portOf(p) + ", but its own node " + prober.name + " does not get through to it" + seen(a.entry.Verdict) +
			", " + unprovenFor + ": let the node reach it"}
}
