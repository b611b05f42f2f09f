// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

const (
	// maxAnswers is how many records of a reply are looked at.
	maxAnswers = 1000
	// maxShown is how many of them evidence shows.
	maxShown = 4
)

// recordTypes are those that can be asked for, by their names in the API.
func recordTypes() map[string]uint16 {
	return map[string]uint16{
		"": dns.TypeA, "A": dns.TypeA, "AAAA": dns.TypeAAAA, "CNAME": dns.TypeCNAME, "SRV": dns.TypeSRV,
		"PTR": dns.TypePTR, "TXT": dns.TypeTXT, "NS": dns.TypeNS, "MX": dns.TypeMX,
	}
}

// questionName is the name to ask for: an address has one of its own for PTR.
func questionName(name string, qtype uint16) string {
	if _, err := netip.ParseAddr(name); err != nil || qtype != dns.TypePTR {
		return name
	}
	reverse, err := dns.ReverseAddr(name)
	if err != nil {
		return name
	}
	return reverse
}

// answers lists what the records of a reply say that are of the type asked
// for, in the form in which they are expected.
func answers(reply *dns.Msg, qtype uint16) []string {
	var found []string
	for _, rr := range reply.Answer[:min(len(reply.Answer), maxAnswers)] {
		if rr.Header().Rrtype != qtype {
			continue
		}
		switch rr := rr.(type) {
		case *dns.A:
			found = append(found, rr.A.String())
		case *dns.AAAA:
			found = append(found, rr.AAAA.String())
		case *dns.CNAME:
			found = append(found, rr.Target)
		case *dns.PTR:
			found = append(found, rr.Ptr)
		case *dns.NS:
			found = append(found, rr.Ns)
		case *dns.MX:
			found = append(found, rr.Mx)
		case *dns.SRV:
			found = append(found, fmt.Sprintf("%s:%d", rr.Target, rr.Port))
		case *dns.TXT:
			found = append(found, strings.Join(rr.Txt, ""))
		}
	}
	for i := range found {
		found[i] = canonical(found[i], qtype)
	}
	return found
}

// canonical makes answers that mean the same the same. Of a text every byte
// counts.
func canonical(answer string, qtype uint16) string {
	switch qtype {
	case dns.TypeTXT:
		return answer
	case dns.TypeA, dns.TypeAAAA:
		if ip, err := netip.ParseAddr(answer); err == nil {
			return ip.Unmap().String()
		}
		return answer
	case dns.TypeSRV:
		name, port, _ := strings.Cut(strings.ToLower(answer), ":")
		return strings.TrimSuffix(name, ".") + ":" + port
	default:
		return strings.TrimSuffix(strings.ToLower(answer), ".")
	}
}

// expect holds what a lookup found against what it was to find. What came
// instead is shown, but no text: that may be a secret of whoever owns the name.
func (l *lookup) expect(want []string, d diagnosis) diagnosis {
	if d.verdict != Connected || len(want) == 0 {
		return d
	}
	came := map[string]struct{}{}
	for _, answer := range l.answers {
		came[answer] = struct{}{}
	}
	for _, answer := range want {
		if _, ok := came[canonical(answer, l.qtype)]; ok {
			continue
		}
		d.verdict = DNSWrongAnswer
		d.evidence = fmt.Sprintf("%s: %s is missing, %s came", l.where, answer, l.show(slices.Sorted(maps.Keys(came))))
		if l.qtype == dns.TypeTXT {
			d.evidence = fmt.Sprintf("%s: an expected text is missing, %d came", l.where, len(came))
		}
		return d
	}
	return d
}

// show lists a few answers, always the same ones of the same.
func (l *lookup) show(came []string) string {
	more := ""
	if len(came) > maxShown {
		came, more = came[:maxShown], fmt.Sprintf(" and %d more", len(came)-maxShown)
	}
	return strings.Join(came, ", ") + more
}
