// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// DefaultInterval of a check.
const DefaultInterval = 10 * time.Second

// The defaults of the API, for objects that were stored without them.
const (
	defaultTimeout          = time.Second
	defaultFailureThreshold = 2
	defaultSuccessThreshold = 1
	defaultTargetsPerSource = 3
	defaultSourcesPerNode   = 2
	maxSourcesPerNode       = 10
)

// pace is what all paths of a check have in common.
type pace struct {
	Interval, Timeout                  time.Duration
	FailureThreshold, SuccessThreshold int32
}

func paceOf(spec *v1alpha1.ConnectivityCheckSpec) pace {
	p := pace{
		Interval:         orDefault(spec.Interval.Duration, DefaultInterval),
		FailureThreshold: orDefault(spec.FailureThreshold, defaultFailureThreshold),
		SuccessThreshold: orDefault(spec.SuccessThreshold, defaultSuccessThreshold),
	}
	p.Timeout = min(defaultTimeout, p.Interval/2)
	if spec.Timeout != nil && spec.Timeout.Duration > 0 {
		p.Timeout = spec.Timeout.Duration
	}
	return p
}

func orDefault[T int32 | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

func targetsPerSource(s *v1alpha1.Sampling) int {
	if s == nil {
		return defaultTargetsPerSource
	}
	return int(orDefault(s.TargetsPerSource, defaultTargetsPerSource))
}

func sourcesPerNode(s *v1alpha1.Sampling) int {
	if s == nil {
		return defaultSourcesPerNode
	}
	return min(int(orDefault(s.SourcesPerNode, defaultSourcesPerNode)), maxSourcesPerNode)
}

// withDefaults is a deep copy of a path that has every default written out.
func withDefaults(in *v1alpha1.Path, namespace string) *v1alpha1.Path {
	p := in.DeepCopy()
	if p.Expect == "" {
		p.Expect = v1alpha1.ExpectAllow
	}
	defaultLayer(p)
	if p.MaxLatency != nil && p.MaxLatency.Duration <= 0 {
		p.MaxLatency = nil
	}
	defaultSource(&p.From)
	defaultTarget(&p.To, namespace)
	return p
}

func defaultSource(from *v1alpha1.Source) {
	if from.Probers != nil {
		from.Probers.NodeSelector = orEvery(from.Probers.NodeSelector)
	}
	if from.Nodes != nil {
		from.Nodes.NodeSelector = orEvery(from.Nodes.NodeSelector)
	}
	if from.Pods != nil {
		from.Pods.PodSelector = orEvery(from.Pods.PodSelector)
	}
}

func defaultTarget(to *v1alpha1.Target, namespace string) {
	if m := to.Mesh; m != nil {
		m.NodeSelector = orEvery(m.NodeSelector)
		m.Scope = orText(m.Scope, v1alpha1.MeshScopeAny)
		slices.Sort(m.Protocols)
		m.Protocols = slices.Compact(m.Protocols)
		if len(m.Protocols) == 0 {
			m.Protocols = []v1alpha1.MeshProtocol{v1alpha1.MeshTCP}
		}
	}
	if s := to.Service; s != nil {
		s.Namespace = orText(s.Namespace, namespace)
		if s.Protocol == v1alpha1.ProtocolTCP {
			s.Protocol = ""
		}
	}
	if o := to.Overlay; o != nil {
		o.Encapsulation = orText(o.Encapsulation, v1alpha1.EncapsulationAuto)
	}
	if d := to.DNS; d != nil {
		d.Type = orText(d.Type, v1alpha1.DNSTypeA)
		d.Transport = orText(d.Transport, v1alpha1.DNSOverUDP)
		if d.Resolver == v1alpha1.DNSPodDefault {
			d.Resolver = ""
		}
	}
	if t := to.Pods; t != nil {
		t.Protocol = orText(t.Protocol, v1alpha1.ProtocolTCP)
	}
	if n := to.Nodes; n != nil {
		n.NodeSelector = orEvery(n.NodeSelector)
		if n.Port != 0 {
			n.Protocol = orText(n.Protocol, v1alpha1.ProtocolTCP)
		}
	}
	if h := to.Host; h != nil {
		h.Protocol = orText(h.Protocol, v1alpha1.ProtocolTCP)
	}
}

func orText[T ~string](v, def T) T {
	if v == "" {
		return def
	}
	return v
}

func orEvery(s *metav1.LabelSelector) *metav1.LabelSelector {
	if s == nil {
		return &metav1.LabelSelector{}
	}
	return s
}
