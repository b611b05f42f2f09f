// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder

import (
	"slices"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
)

// undetermined names the rungs that may be broken, and what is known. Of a
// target outside of the cluster nothing is.
func undetermined(p *Pair) *Finding {
	if p.Outside {
		return nil
	}
	f := &Finding{Rung: v1alpha1.RungUndetermined, Reason: v1alpha1.ReasonUnexplained, Rule: "undetermined"}
	f.Candidates = p.candidates()
	if len(f.Candidates) == 0 {
		return nil
	}
	f.Text = "may be broken: " + rungs(f.Candidates)
	if known := p.known(); len(known) > 0 {
		f.Text = strings.Join(known, ", ") + "; " + f.Text
	}
	return f
}

// known is what was seen, in words.
func (p *Pair) known() []string {
	var out []string
	if w := p.Way; w != nil {
		out = append(out, p.knownWay(w)...)
		switch {
		case p.Service != nil || p.isDNS():
		case p.Near.Listener.Fact == Works:
			out = append(out, p.Target+" answers its own node")
		case p.Near.listens():
			out = append(out, p.Target+" listens, and does not answer its own node either"+because(p.Near.Listener.Text))
		}
	}
	s := p.Service
	if p.isDNS() {
		s = p.DNS
	}
	if s != nil {
		works, fails, untried := s.count()
		switch {
		case works+fails == 0:
		case fails == 0 && untried == 0:
			out = append(out, "all endpoints of Service "+s.Name+" that were tried answer by their own address")
		case works == 0 && untried == 0:
			out = append(out, "no endpoint of Service "+s.Name+" that was tried answers by its own address")
		default:
			out = append(out, "of the endpoints of Service "+s.Name+" some answer by their own address and some do not, or were not tried")
		}
		if s.Hairpin {
			out = append(out, p.Source+" is one of them itself, and may have been led to itself")
		}
	}
	return out
}

func (p *Pair) knownWay(w *Way) []string {
	var out []string
	say := func(s *Seen, works, fails string) {
		switch s.Fact {
		case Works:
			out = append(out, works)
		case Fails:
			out = append(out, fails+s.saw())
		}
	}
	here, there := p.SourceNode.Name, w.Node.Name
	if w.Same {
		say(&w.Pods, "other pods on "+here+" reach each other", "pods on "+here+" do not reach each other")
		return out
	}
	say(&w.Pods, "pods on "+here+" reach others on "+there, "pods on "+here+" do not reach those on "+there)
	say(&w.Nodes, here+" reaches "+there, here+" does not reach "+there)
	if w.Tunnels {
		say(&w.Tunnel, "the tunnel works", "the tunnel does not work")
	}
	return out
}

func (s *Service) count() (works, fails, untried int) {
	for i := range s.Endpoints {
		switch s.Endpoints[i].Seen.Fact {
		case Works:
			works++
		case Fails:
			fails++
		default:
			untried++
		}
	}
	return works, fails, untried
}

// candidates are the rungs that what was seen does not exclude.
func (p *Pair) candidates() []v1alpha1.Rung {
	var out []v1alpha1.Rung
	add := func(all ...v1alpha1.Rung) {
		for _, r := range all {
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	s := p.Service
	switch {
	case p.Kind == v1alpha1.ProbeIPIP && p.Way != nil:
		if p.Way.Nodes.Fact != Works {
			add(v1alpha1.RungUnderlay)
		}
		add(v1alpha1.RungOverlay)
	case p.Verdict == v1alpha1.VerdictRefused && !p.isDNS():
		add(v1alpha1.RungListener, v1alpha1.RungService)
	case p.Connected && !p.isDNS():
		add(v1alpha1.RungMTU, v1alpha1.RungApplication)
	case p.Verdict == v1alpha1.VerdictReset:
		add(v1alpha1.RungListener, v1alpha1.RungApplication)
	case p.Verdict == v1alpha1.VerdictWrongIdentity:
		add(v1alpha1.RungPodNetwork)
	default:
		if (!p.Admitted || p.Slow != nil) && (p.Way == nil || !p.Way.Host) || p.Verdict == v1alpha1.VerdictRejected {
			add(v1alpha1.RungPolicy)
		}
		if p.Way != nil {
			add(p.candidatesOf(p.Way, &p.Near)...)
		}
		if p.isDNS() {
			s = p.DNS
			add(v1alpha1.RungDNS)
		}
		if s != nil {
			for i := range s.Endpoints {
				if e := &s.Endpoints[i]; e.Way != nil && e.Seen.Fact != Works {
					add(p.candidatesOf(e.Way, &e.Near)...)
				}
			}
			if _, fails, untried := s.count(); fails > 0 || untried > 0 {
				add(v1alpha1.RungEndpoints)
			}
			add(v1alpha1.RungService)
		}
	}
	slices.SortFunc(out, func(a, b v1alpha1.Rung) int { return Rank(a) - Rank(b) })
	return out[:min(len(out), maxCandidates)]
}

const maxCandidates = 8

// listens is true if the pod is known to listen, and not to answer its own node.
func (n *Near) listens() bool {
	return n.Listener.Fact == Fails && n.Listener.Verdict != v1alpha1.VerdictNotListening
}

// candidatesOf a way to a pod of which that is known.
func (p *Pair) candidatesOf(w *Way, n *Near) []v1alpha1.Rung {
	var out []v1alpha1.Rung
	switch {
	case w.Host:
		return []v1alpha1.Rung{v1alpha1.RungUnderlay}
	case w.Pods.Fact == Works:
		// What is at fault is the target's or the source's own.
		if out = append(out, v1alpha1.RungPodNetwork); n.Listener.Fact != Works {
			out = append(out, v1alpha1.RungListener)
		}
		return out
	case w.Same:
		return []v1alpha1.Rung{v1alpha1.RungPodNetwork, v1alpha1.RungListener}
	}
	if w.Nodes.Fact != Works {
		out = append(out, v1alpha1.RungUnderlay)
	}
	if w.Tunnel.Fact != Works {
		out = append(out, v1alpha1.RungOverlay)
	}
	out = append(out, v1alpha1.RungPodNetwork)
	if w.Pods.Fact == Unknown {
		out = append(out, v1alpha1.RungListener)
	}
	return out
}
