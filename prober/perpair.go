// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
)

// certificates are when those that the targets of a path showed last end.
type certificates struct {
	// content of the group that they were seen by.
	content string
	// until by the key of each pair, in seconds since the epoch; 0 while none was
	// seen.
	until map[string]int64
	// shown is what the series says; 0 while there is none.
	shown int64
}

// certify says which pairs of a path can see certificates: what others saw is
// forgotten, and all of it if the path is another one now. p may be nil.
func (p *pathMetrics) certify(content string, kind v1alpha1.ProbeKind, pairs []v1alpha1.Pair) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.certificates
	p.certificates = certificates{content: content, shown: before.shown}
	if isLayer7(kind) {
		p.certificates.until = make(map[string]int64, len(pairs))
		for i := range pairs {
			seen := int64(0)
			if before.content == content {
				seen = before.until[pairs[i].Key]
			}
			p.certificates.until[pairs[i].Key] = seen
		}
	}
	p.showCertificate()
}

// saw notes the certificate that the target of a pair showed.
func (p *pathMetrics) saw(pair string, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen, known := p.certificates.until[pair]
	if !known || p.removed || seen == until.Unix() {
		return
	}
	p.certificates.until[pair] = until.Unix()
	p.showCertificate()
}

// showCertificate shows the one that ends first; p.mu is held.
func (p *pathMetrics) showCertificate() {
	first := int64(0)
	for _, until := range p.certificates.until {
		if until != 0 && (first == 0 || until < first) {
			first = until
		}
	}
	k, gauge := p.key, p.metrics.notAfter
	switch first {
	case p.certificates.shown:
	case 0:
		gauge.DeleteLabelValues(k.namespace, k.check, k.path)
	default:
		gauge.WithLabelValues(k.namespace, k.check, k.path).Set(float64(first))
	}
	p.certificates.shown = first
}
