// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/ladder"
	"github.com/netladder/netladder/controllers/policy"
)

// climb puts together what is known around one failing pair.
type climb struct {
	*explainer
	t    *tally
	w    *worst
	src  *source
	spec *v1alpha1.ProbeAssignmentSpec
	// rows of the source's node, and the source as they have it.
	rows rungs
	from string
	// ipv4 is the family of the target; known is false for a name.
	ipv4, known bool
}

// ladderOf finds out which rung is broken under a pair; nil where nothing can be
// said.
func (e *explainer) ladderOf(t *tally, w *worst, asked answered) *ladder.Finding {
	d := &w.dialled
	src := e.source(d.node)
	if src.report == nil || d.group == nil {
		return nil
	}
	c := &climb{explainer: e, t: t, w: w, src: src, spec: &src.report.Assignment.Spec, rows: e.climbsOf(src)}
	switch {
	case d.pair.pod != nil:
		c.from = d.pair.pod.UID
	case d.group.From == v1alpha1.SourceHost:
		c.from = string(v1alpha1.SourceHost)
	}
	if ip := d.pair.addr.Addr(); ip.IsValid() {
		c.ipv4, c.known = ip.Is4(), true
	}
	p := c.pair()
	p.Admitted, p.Policy, p.Slow = asked.admitted, asked.denied, asked.slow
	return ladder.Diagnose(p)
}

// climbsOf are the rows of a node, read once.
func (e *explainer) climbsOf(src *source) rungs {
	if r, ok := e.climbs[src.name]; ok {
		return r
	}
	r := e.rungsOf(src)
	e.climbs[src.name] = r
	return r
}

func (c *climb) pair() *ladder.Pair {
	d, show := &c.w.dialled, &c.w.show
	p := &ladder.Pair{
		Kind: d.group.Kind, Verdict: show.Verdict, Text: show.Evidence, Streak: int(d.streak),
		Source: show.Source, Target: show.Target, From: d.group.From, SourceNode: c.node(d.node, d.node),
		Elsewhere: c.elsewhere(), Connected: strings.Contains(d.said, "connected after "),
	}
	if cause := d.cause; word(cause, 64) && (d.group.Kind == v1alpha1.ProbeTunnel || d.group.Kind == v1alpha1.ProbeIPIP) {
		p.Cause = cause
	}
	if d.group.DNS != nil {
		p.Name = printable(d.group.DNS.Name, maxTarget)
	} else if d.group.Host != nil {
		p.Name = printable(d.group.Host.Hostname, maxTarget)
	}
	if d.pair.node != "" {
		shown := d.pair.node
		if d.hidden {
			shown = "the target's node"
		}
		p.Way = c.way(d.pair.node, shown)
		c.itself(p)
		p.ByNode = c.isOf(d.pair.node, offenderOf(d.said))
		p.Near = c.near(d.pair.addr, d.pair.targetPod(), d.pair.node, d.hidden)
	}
	if p.Kind == v1alpha1.ProbeDNS || isLookup(show.Verdict) {
		p.DNS = c.dns()
		c.only(p)
		return p
	}
	p.Service = c.service()
	p.Outside = p.Service == nil && p.Way == nil && d.pair.targetPod() == ""
	return p
}

// itself puts into the way what the pair is a probe of.
func (c *climb) itself(p *ladder.Pair) {
	d, w := &c.w.dialled, p.Way
	failed := ladder.Seen{Fact: ladder.Fails, Verdict: p.Verdict}
	if c.open() {
		failed.Text = p.Text
	}
	if ip := d.pair.addr.Addr(); d.pair.target != nil && d.pair.target.UID == "" && slices.Contains(c.ipsOf(d.pair.node), ip) {
		w.Host = true
	}
	switch {
	case d.group.Kind == v1alpha1.ProbeMeshTCP:
		w.Pods = failed
	case d.group.Kind == v1alpha1.ProbeICMP && d.group.From == v1alpha1.SourceHost && w.Host:
		w.Nodes = failed
	case d.group.Kind == v1alpha1.ProbeTunnel:
		w.Tunnels, failed.Cause = true, p.Cause
		w.Tunnel = failed
	case d.group.Kind == v1alpha1.ProbeIPIP:
		w.Host, w.Tunnels = true, c.hasIPIP(d.pair.node)
	}
}

// open is true if the check may be shown everything.
func (c *climb) open() bool { return c.in.Check.Namespace == c.in.Settings.Namespace }

// shown leaves of what a step saw what the check may be shown.
func (c *climb) shown(s ladder.Seen) ladder.Seen {
	if !c.open() {
		s.Text = ""
	}
	return s
}

// node says what is known of one. Whoever judges nodes may not have heard of it,
// and then it is not away.
func (c *climb) node(name, shown string) ladder.Node {
	n := ladder.Node{Name: shown, Real: name}
	m := c.nodeMask(name, c.in.Nodes[name])
	if !m.active() || !m.down {
		return n
	}
	n.Gone, n.NotReady = m.reason == v1alpha1.ReasonNodeGone, m.reason == v1alpha1.ReasonNodeNotReady
	if !m.began.IsZero() {
		n.Since = clockTime(m.began)
	}
	return n
}

// way to a node, as it may be shown.
func (c *climb) way(name, shown string) *ladder.Way {
	since := c.w.since
	w := &ladder.Way{Node: c.node(name, shown), Same: name == c.src.name}
	far := c.source(name)
	if !c.meshDenied(name) {
		w.Pods = c.row("", v1alpha1.RungPodNetwork, name)
		w.Here, _ = c.between(c.src, c.src.name, since, v1alpha1.ProbeMeshTCP)
		w.There, _ = c.between(far, name, since, v1alpha1.ProbeMeshTCP)
		w.OtherWay, _ = c.between(far, c.src.name, since, v1alpha1.ProbeMeshTCP)
	}
	if w.Same {
		return w
	}
	if w.Nodes = c.row(string(v1alpha1.SourceHost), v1alpha1.RungUnderlay, name); w.Nodes.Fact == ladder.Unknown {
		w.Nodes = c.row("", v1alpha1.RungUnderlay, name)
	}
	w.Tunnel = c.row(string(v1alpha1.SourceHost), v1alpha1.RungOverlay, name)
	w.Large = c.row("", v1alpha1.RungMTU, name)
	if host := c.row(string(v1alpha1.SourceHost), v1alpha1.RungMTU, name); saysMore(host, w.Large) {
		w.Large = host
	}
	c.fromGroups(w, far, name, since)
	w.Pings = c.pings(c.src) || c.pings(far) || c.anyPing()
	w.Silent = far.report != nil && far.stale
	return w
}

// fromGroups adds what checks of tunnels saw between the two nodes.
func (c *climb) fromGroups(w *ladder.Way, far *source, name string, since time.Time) {
	if n := c.assigned(name); n != nil {
		w.Tunnels = len(n.Tunnels) > 0
	}
	back := v1alpha1.ProbeTunnel
	if c.w.dialled.group.Kind == v1alpha1.ProbeIPIP {
		back = v1alpha1.ProbeIPIP
	}
	if fact, entry := c.between(far, c.src.name, since, back); fact == ladder.Fails {
		w.Back = c.shown(c.seen(v1alpha1.RungOverlay, verdictOf(entry.Verdict), entry.Evidence))
		if word(entry.Reason, 64) {
			w.Back.Cause = entry.Reason
		}
	}
	for _, each := range []struct {
		from *source
		to   string
	}{{c.src, name}, {far, c.src.name}} {
		if fact, entry := c.between(each.from, each.to, since, v1alpha1.ProbeTunnel); fact == ladder.Fails && w.Tunnel.Fact != ladder.Works {
			w.Tunnels = true
			if w.Tunnel.Fact == ladder.Unknown || w.Tunnel.Cause == "" && each.from == c.src {
				w.Tunnel = c.shown(c.seen(v1alpha1.RungOverlay, verdictOf(entry.Verdict), entry.Evidence))
			}
			if each.from == c.src && word(entry.Reason, 64) {
				w.Tunnel.Cause = entry.Reason
			}
		}
	}
	if fact, entry := c.between(c.src, name, since, v1alpha1.ProbeMTU); fact == ladder.Fails {
		if large := c.shown(c.seen(v1alpha1.RungMTU, verdictOf(entry.Verdict), entry.Evidence)); saysMore(large, w.Large) {
			w.Large = large
		}
	}
}

// saysMore is true if what was seen of large packets from the node itself says more
// than what its pods see, which a hop between the nodes does not talk to.
func saysMore(host, pods ladder.Seen) bool {
	return pods.Fact == ladder.Unknown || pods.Fact == ladder.Fails && pods.Verdict != v1alpha1.VerdictTooBig && host.Verdict == v1alpha1.VerdictTooBig
}

// row of a step that aims at a node, in the family of the pair's target. Where
// that is a name, in the family that was seen; if both were, and differ, in none.
func (c *climb) row(source string, r v1alpha1.Rung, node string) ladder.Seen {
	var out ladder.Seen
	for _, family := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if c.known && family.Is4() != c.ipv4 {
			continue
		}
		s := c.rows.since(rungKey{source, r, v1alpha1.MeshPairKey(node, family)}, c.w.dialled.badSince)
		switch {
		case s.Fact == ladder.Unknown && s.Text == "":
		case out.Fact != ladder.Unknown && s.Fact != ladder.Unknown && out.Fact != s.Fact:
			return ladder.Seen{}
		case out.Fact == ladder.Unknown:
			out = s
		}
	}
	return c.shown(out)
}

func (c *climb) anyPing() bool {
	for k := range c.rows {
		if k.rung == v1alpha1.RungUnderlay && c.rows.since(k, c.w.dialled.badSince).Fact == ladder.Works {
			return true
		}
	}
	return false
}

// near is what the node of a pod says of it, which was told to look because others
// do not reach the pod: all of that was seen since. Of pods that the check may
// know nothing about it is not used.
func (c *climb) near(at netip.AddrPort, uid, node string, hidden bool) ladder.Near {
	far := c.source(node)
	if hidden || uid == "" || !at.IsValid() || !far.trusted() {
		return ladder.Near{}
	}
	spec, told := &far.report.Assignment.Spec, false
	for _, row := range spec.Doubts {
		if row >= 0 && int(row) < len(spec.Targets) && spec.Targets[row].UID == uid {
			told = true
		}
	}
	if !told {
		return ladder.Near{}
	}
	rows, key := c.climbsOf(far), v1alpha1.TargetPairKey(at, v1alpha1.ProtocolTCP)
	return ladder.Near{
		Listener: c.shown(rows[rungKey{string(v1alpha1.SourceHost), v1alpha1.RungListener, key}].Seen),
		Route:    c.shown(rows[rungKey{string(v1alpha1.SourceHost), v1alpha1.RungPodNetwork, key}].Seen),
	}
}

// assigned is the row of a node in the source's assignment; nil without one.
func (c *climb) assigned(name string) *v1alpha1.AssignedNode {
	for i := range c.spec.Nodes {
		if c.spec.Nodes[i].Name == name {
			return &c.spec.Nodes[i]
		}
	}
	return nil
}

// hasIPIP is true if the network plugin announces a tunnel by IP in IP to a node.
func (c *climb) hasIPIP(name string) bool {
	n := c.assigned(name)
	return n != nil && slices.ContainsFunc(n.Tunnels, func(t v1alpha1.AssignedTunnel) bool { return t.Encapsulation == v1alpha1.EncapsulationIPIP })
}

func (c *climb) ipsOf(name string) []netip.Addr {
	if n := c.assigned(name); n != nil {
		return addrs(n.IPs)
	}
	return nil
}

// isOf is true for an address of a node's own.
func (c *climb) isOf(name string, ip netip.Addr) bool {
	n := c.assigned(name)
	return n != nil && ip.IsValid() && (slices.Contains(addrs(n.IPs), ip) || slices.Contains(tunnelAddrs(n), ip))
}

// meshDenied is true if policies keep the prober from the echo pod of a node:
// then their silence says nothing of the network.
func (c *climb) meshDenied(node string) bool {
	if c.index == nil {
		return false
	}
	here, there := c.in.Nodes[c.src.name], c.in.Nodes[node]
	if here == nil || here.Prober == nil || there == nil || there.Echo == nil {
		return false
	}
	f := policy.Flow{Protocol: v1alpha1.ProtocolTCP, Port: v1alpha1.EchoPort}
	f.Source.Pod, f.Destination.Pod = c.podByUID(here.Prober.UID), c.podByUID(there.Echo.UID)
	if f.Source.Pod == nil || f.Destination.Pod == nil {
		return false
	}
	c.look(&f.Source)
	return c.index.Evaluate(f).Verdict == policy.Deny
}

// elsewhere is true if the path fails from more sources than one.
func (c *climb) elsewhere() bool {
	for i := range c.t.worst {
		other := &c.t.worst[i].show
		if other.State == v1alpha1.StateFailing && other.Source != c.w.show.Source {
			return true
		}
	}
	return false
}
