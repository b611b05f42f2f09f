// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder

import (
	"fmt"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/words"
)

// dns: a name cannot be looked up. What a server answers is believed of it; if
// none answers, they are looked at one by one.
func dns(p *Pair) *Finding {
	if !p.isDNS() {
		return nil
	}
	f := &Finding{Rung: v1alpha1.RungDNS, Object: orText(p.Name, "the cluster's DNS")}
	switch p.Verdict {
	case v1alpha1.VerdictDNSNameError:
		f.Reason, f.Text = v1alpha1.ReasonDNSNameNotFound, "the nameserver answers that "+orText(p.Name, "the name")+" does not exist: see how it is spelt, and, of a Service, its namespace"
	case v1alpha1.VerdictDNSNoAnswer:
		f.Reason, f.Text = v1alpha1.ReasonDNSNoRecord, orText(p.Name, "the name")+" exists, without a record of this type: ask for another type, or add the record"
	case v1alpha1.VerdictDNSWrongAnswer:
		f.Reason, f.Text = v1alpha1.ReasonDNSWrongAnswer, "the nameserver answers, and not what is expected"+because(p.Text)+": correct the record, or to.dns.answers"
	case v1alpha1.VerdictDNSTruncated:
		f.Reason, f.Text = v1alpha1.ReasonDNSTruncated, "the answer about "+orText(p.Name, "the name")+" is too large for UDP, and the nameserver does not answer by TCP: let TCP 53 pass"
	case v1alpha1.VerdictDNSServerFailure:
		f.Reason, f.Text = v1alpha1.ReasonDNSServerFailure, "the nameserver answers that it cannot tell"+because(p.Text)+": see its log, and the servers that it forwards to"
	default:
		return p.servers()
	}
	return f
}

func because(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// NoServers says that the Service of the cluster's DNS has no endpoints.
func NoServers(s *Service) *Finding {
	return &Finding{
		Rung: v1alpha1.RungDNS, Reason: v1alpha1.ReasonDNSNoServers, Object: s.Name,
		Text: "the cluster's DNS, Service " + s.Name + ", has no ready server: see whether its pods run",
	}
}

// servers finds which of the servers of the cluster's DNS does not answer.
func (p *Pair) servers() *Finding {
	s := p.DNS
	if s == nil || !silent(p.Verdict) && p.Verdict != v1alpha1.VerdictRefused {
		return nil
	}
	if s.Ready == 0 {
		return NoServers(s)
	}
	b := p.lookBehind(s.Endpoints, p.serverDown)
	switch {
	case !b.known:
		return nil
	case len(b.bad) == 0:
		if p.Only || s.Address.Fact != Fails || p.Streak < 2 {
			return nil
		}
		return s.notLed(p)
	}
	if f := b.first(); f != nil && f.Rung != v1alpha1.RungDNS {
		return f
	}
	return s.down(p, &b)
}

// serverDown: a server does not answer, though other pods on its node do. From a
// pod that proves nothing unless another server answers it, or others are not
// answered either.
func (p *Pair) serverDown(e *Endpoint) (*Finding, bool) {
	if e.Way == nil || e.Way.Host && e.Way.Nodes.Fact != Works && e.Seen.Verdict != v1alpha1.VerdictRefused {
		return nil, false
	}
	here := p.From != v1alpha1.SourcePods || p.Elsewhere || e.Seen.Verdict == v1alpha1.VerdictRefused
	for i := range p.DNS.Endpoints {
		here = here || p.DNS.Endpoints[i].Seen.Fact == Works
	}
	return nil, here
}

// down names the servers that do not answer.
func (s *Service) down(p *Pair, b *behind) *Finding {
	f := &Finding{Rung: v1alpha1.RungDNS, Reason: v1alpha1.ReasonDNSServerDown}
	names := make([]string, len(b.bad))
	for i, e := range b.bad {
		names[i] = e.Name
	}
	f.Object = strings.Join(names, " and ")
	what := fmt.Sprintf("%s of the cluster's DNS %s not answer %s by %s own address%s", f.Object, words.Plural(len(names), "does", "do"), p.Source,
		words.Plural(len(names), "its", "their"), b.bad[0].Seen.saw())
	if p.Only {
		f.Text = what + ", though other pods on its node do: see its log"
		return f
	}
	if len(b.good) == 0 {
		f.Reason, f.Object = v1alpha1.ReasonDNSServersDown, s.Name
		f.Text = what + ", though other pods on " + words.Plural(len(names), "its node", "their nodes") + " do: see whether the pods of Service " + s.Name + " run, and their log"
		return f
	}
	f.Text = what + fmt.Sprintf("; %d of %d do: see the log of the one that does not", len(b.good), len(b.good)+len(b.bad))
	return f
}
