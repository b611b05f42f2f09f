// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/netladder/netladder/api/v1alpha1"
)

// perPair is one number for each pair of a path, of which a series shows the
// one that matters most: when certificates end, and what lookups cost.
type perPair struct {
	gauge *prometheus.GaugeVec
	// least is true if the least of them matters most, else the greatest does.
	least bool
	// content of the group that they were seen by.
	content string
	// seen by the key of each pair; 0 while nothing was seen.
	seen map[string]int64
	// shown is what the series says; 0 while there is none.
	shown int64
}

// expect says which pairs of a path can see certificates, and which make
// lookups: what others saw is forgotten, and all of it if the path is another
// one now. p may be nil.
func (p *pathMetrics) expect(content string, kind v1alpha1.ProbeKind, pairs []v1alpha1.Pair) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.certificates.expect(p.key, content, isLayer7(kind), pairs)
	p.lookups.expect(p.key, content, kind == v1alpha1.ProbeDNS, pairs)
}

// sawCertificate notes when the certificate ends that the target of a pair
// showed.
func (p *pathMetrics) sawCertificate(pair string, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.removed {
		p.certificates.saw(p.key, pair, until.Unix())
	}
}

// sawLookup notes how many queries a lookup of a pair took.
func (p *pathMetrics) sawLookup(pair string, queries int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.removed {
		p.lookups.saw(p.key, pair, int64(queries))
	}
}

func (n *perPair) expect(k pathKey, content string, some bool, pairs []v1alpha1.Pair) {
	before, old := n.seen, n.content
	n.seen, n.content = nil, content
	if some {
		n.seen = make(map[string]int64, len(pairs))
		for i := range pairs {
			seen := int64(0)
			if old == content {
				seen = before[pairs[i].Key]
			}
			n.seen[pairs[i].Key] = seen
		}
	}
	n.show(k)
}

func (n *perPair) saw(k pathKey, pair string, value int64) {
	if seen, known := n.seen[pair]; known && seen != value {
		n.seen[pair] = value
		n.show(k)
	}
}

func (n *perPair) show(k pathKey) {
	most := int64(0)
	for _, seen := range n.seen {
		if seen != 0 && (most == 0 || (seen < most) == n.least) {
			most = seen
		}
	}
	switch most {
	case n.shown:
	case 0:
		n.remove(k)
	default:
		n.gauge.WithLabelValues(k.namespace, k.check, k.path).Set(float64(most))
	}
	n.shown = most
}

func (n *perPair) remove(k pathKey) { n.gauge.DeleteLabelValues(k.namespace, k.check, k.path) }
