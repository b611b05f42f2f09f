// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// probeDNS looks a name up as the C library of a pod does: the names that the
// search list makes, in order, each at the servers of the resolv.conf in
// order. Unlike a resolver it asks each server once: a lost packet shall show.
func probeDNS(ctx context.Context, t Target) Result {
	r := begin(t)
	if t.Timeout <= 0 {
		return r.end(diagnosis{verdict: LocalError, evidence: "the timeout must be greater than zero"})
	}
	l, err := newLookup(ctx, t, r.began)
	if err != nil {
		return r.end(diagnosis{verdict: LocalError, evidence: err.Error()})
	}
	d := l.expect(t.DNS.Answers, l.run(questionName(t.DNS.Name, l.qtype)))
	if d.verdict == Connected {
		r.names = l.names
	}
	r.phase("resolve", time.Since(r.began))
	return r.end(d)
}

// lookup is one DNS probe under way.
type lookup struct {
	ctx      context.Context
	from     origin
	resolver *resolver
	qtype    uint16
	tcp      bool
	deadline time.Time
	timeout  time.Duration
	// servers in the order in which they are asked: those that failed move to
	// the end, so that they cost their share of the time once.
	servers []netip.AddrPort
	queries int
	// names is how many names were asked for.
	names int
	// found are the addresses of the answer, answers all that its records say,
	// and where is who gave it to which question.
	found   []netip.Addr
	answers []string
	where   string
}

func newLookup(ctx context.Context, t Target, began time.Time) (*lookup, error) {
	qtype, ok := recordTypes()[t.DNS.Type]
	if !ok {
		return nil, fmt.Errorf("DNS type %.16q is not supported", t.DNS.Type)
	}
	if t.DNS.Transport != "" && t.DNS.Transport != "UDP" && t.DNS.Transport != "TCP" {
		return nil, fmt.Errorf("DNS transport %s is not supported: UDP or TCP", t.DNS.Transport)
	}
	resolver, err := resolverOf(t)
	if err != nil {
		return nil, err
	}
	servers := resolver.servers
	if t.DNS.Server.IsValid() {
		servers = []netip.AddrPort{t.DNS.Server}
	}
	return &lookup{
		ctx: ctx, from: t.origin(), resolver: resolver, qtype: qtype, tcp: t.DNS.Transport == "TCP",
		deadline: began.Add(t.Timeout), timeout: t.Timeout, servers: servers,
	}, nil
}

// run asks for each name until one has records, or until a failure that ends a
// resolver's search too.
func (l *lookup) run(name string) diagnosis {
	names := l.resolver.names(name)
	if len(names) == 0 {
		return diagnosis{verdict: LocalError, evidence: "not a domain name"}
	}
	best := diagnosis{}
	for _, candidate := range names {
		l.names++
		d := l.ask(candidate)
		if searchRank(d.verdict) == 0 {
			return l.count(d)
		}
		if searchRank(d.verdict) > searchRank(best.verdict) {
			best = d
		}
	}
	if best.verdict == DNSNameError && len(names) > 1 {
		best.evidence += fmt.Sprintf(", nor do %d more names of the search list", len(names)-1)
	}
	return l.count(best)
}

// searchRank orders the verdicts after which the search goes on: at its end
// the highest is what the application is told. Zero ends the search.
func searchRank(v Verdict) int {
	switch v {
	case DNSNoAnswer:
		return 3
	case DNSServerFailure:
		return 2
	case DNSNameError:
		return 1
	default:
		return 0
	}
}

func (l *lookup) count(d diagnosis) diagnosis {
	if l.queries != 1 {
		d.evidence += fmt.Sprintf(" (%d queries)", l.queries)
	}
	return d
}

// ask asks the servers for one name until one gives an answer.
func (l *lookup) ask(name string) diagnosis {
	worst := diagnosis{}
	servers := l.servers
	var failed []netip.AddrPort
	for i, server := range servers {
		// What is left of the time is shared by the servers that are left.
		budget := time.Until(l.deadline) / time.Duration(len(servers)-i)
		if i > 0 && budget <= 0 {
			break
		}
		if l.queries == 0 {
			budget = max(budget, l.timeout/time.Duration(len(servers)))
		}
		d := l.query(server, name, max(budget, time.Millisecond))
		if !serverFailed(d.verdict) {
			l.servers = append(append([]netip.AddrPort{}, servers[i:]...), failed...)
			return d
		}
		failed = append(failed, server)
		if worst.verdict == "" || failureRank(d.verdict) > failureRank(worst.verdict) {
			worst = d
		}
	}
	return worst
}

// serverFailed says whether a resolver would ask the next server.
func serverFailed(v Verdict) bool {
	switch v {
	case Connected, DNSNameError, DNSNoAnswer:
		return false
	default:
		return true
	}
}

// failureRank orders what several servers said by how much it tells.
func failureRank(v Verdict) int {
	switch v {
	case DNSTimeout:
		return 0
	case DNSServerFailure:
		return 2
	default:
		return 1
	}
}

// query asks one server for one name; a truncated answer is asked for again
// by TCP.
func (l *lookup) query(server netip.AddrPort, name string, budget time.Duration) diagnosis {
	where := fmt.Sprintf("%s %s at %s", dns.TypeToString[l.qtype], name, server.Addr().WithZone(""))
	until := time.Now().Add(budget)
	reply, f := l.exchange(server, name, l.tcp, budget)
	if f != nil {
		return dnsFault(where, f)
	}
	if reply.Truncated && !l.tcp {
		reply, f = l.exchange(server, name, true, max(time.Until(until), time.Millisecond))
		if f != nil {
			d := dnsFault(where, f)
			return diagnosis{verdict: DNSTruncated, offender: d.offender, evidence: d.evidence + "; the answer over UDP was truncated, this is TCP"}
		}
	}
	d := judgeReply(where, reply, l.qtype)
	if d.verdict == Connected {
		l.found, l.answers, l.where = addresses(reply, l.qtype), answers(reply, l.qtype), where
	}
	return d
}

// addresses lists those of a reply that are of the type asked for.
func addresses(reply *dns.Msg, qtype uint16) []netip.Addr {
	var found []netip.Addr
	for _, rr := range reply.Answer {
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A.To4()
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if addr, ok := netip.AddrFromSlice(ip); ok && rr.Header().Rrtype == qtype {
			found = append(found, addr)
		}
	}
	return found
}

// dnsFault puts a socket's fault in the words of the DNS.
func dnsFault(where string, f *fault) diagnosis {
	d := classify(*f)
	if d.verdict == Dropped {
		d.verdict = DNSTimeout
	}
	d.evidence = where + ": " + d.evidence
	return d
}

// judgeReply gives a reply its verdict.
func judgeReply(where string, reply *dns.Msg, qtype uint16) diagnosis {
	switch reply.Rcode {
	case dns.RcodeSuccess:
		records := 0
		for _, rr := range reply.Answer {
			if rr.Header().Rrtype == qtype {
				records++
			}
		}
		if records == 0 {
			return diagnosis{verdict: DNSNoAnswer, evidence: where + ": no record of this type"}
		}
		return diagnosis{verdict: Connected, evidence: fmt.Sprintf("%s: %d records", where, records)}
	case dns.RcodeNameError:
		return diagnosis{verdict: DNSNameError, evidence: where + ": NXDOMAIN: the name does not exist"}
	case dns.RcodeServerFailure, dns.RcodeRefused:
		return diagnosis{verdict: DNSServerFailure, evidence: where + ": " + dns.RcodeToString[reply.Rcode]}
	default:
		code := dns.RcodeToString[reply.Rcode]
		if code == "" {
			code = fmt.Sprintf("response code %d", reply.Rcode)
		}
		return diagnosis{verdict: ProtocolError, evidence: where + ": " + code}
	}
}
