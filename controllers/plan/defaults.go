// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// The defaults of the API, for objects that were stored without them.
const (
	defaultInterval         = 10 * time.Second
	defaultTimeout          = time.Second
	defaultFailureThreshold = 2
	defaultSuccessThreshold = 1
	defaultTargetsPerSource = 3
)

// pace is what all paths of a check have in common.
type pace struct {
	Interval, Timeout                  time.Duration
	FailureThreshold, SuccessThreshold int32
}

func paceOf(spec *v1alpha1.ConnectivityCheckSpec) pace {
	p := pace{
		Interval:         orDefault(spec.Interval.Duration, defaultInterval),
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

// withDefaults is a deep copy of a path that has every default written out.
func withDefaults(in *v1alpha1.Path, namespace string) *v1alpha1.Path {
	p := in.DeepCopy()
	if p.Expect == "" {
		p.Expect = v1alpha1.ExpectAllow
	}
	if h := p.HTTP; h != nil {
		h.Path = orText(h.Path, "/")
		h.Method = orText(h.Method, v1alpha1.HTTPGet)
		slices.Sort(h.ExpectedStatuses)
	}
	if p.MaxLatency != nil && p.MaxLatency.Duration <= 0 {
		p.MaxLatency = nil
	}
	if p.From.Probers != nil {
		p.From.Probers.NodeSelector = orEvery(p.From.Probers.NodeSelector)
	}
	if m := p.To.Mesh; m != nil {
		m.NodeSelector = orEvery(m.NodeSelector)
		m.Scope = orText(m.Scope, v1alpha1.MeshScopeAny)
		slices.Sort(m.Protocols)
		m.Protocols = slices.Compact(m.Protocols)
		if len(m.Protocols) == 0 {
			m.Protocols = []v1alpha1.MeshProtocol{v1alpha1.MeshTCP}
		}
	}
	if s := p.To.Service; s != nil {
		s.Namespace = orText(s.Namespace, namespace)
	}
	if d := p.To.DNS; d != nil {
		d.Type = orText(d.Type, v1alpha1.DNSTypeA)
		d.Transport = orText(d.Transport, v1alpha1.DNSOverUDP)
	}
	return p
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
