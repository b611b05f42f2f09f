// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package ladder

import (
	"fmt"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/words"
)

// endpoints: there is nothing behind the Service for this source. Some proxies
// reject what is sent to it then, others drop it.
func endpoints(p *Pair) *Finding {
	s := p.Service
	if s == nil || !p.silent() && p.Verdict != v1alpha1.VerdictRefused {
		return nil
	}
	switch {
	case s.Ready == 0:
		return NoEndpoints(s)
	case s.NoLocal:
		return &Finding{
			Rung: v1alpha1.RungEndpoints, Reason: v1alpha1.ReasonNoLocalEndpoint, Object: s.Name,
			Text: fmt.Sprintf("Service %s has internalTrafficPolicy Local and no endpoint on %s: run its pods there too, or change the policy", s.Name, p.SourceNode.Name),
		}
	}
	return nil
}

// NoEndpoints says why a Service has no endpoints.
func NoEndpoints(s *Service) *Finding {
	f := &Finding{Rung: v1alpha1.RungEndpoints, Reason: v1alpha1.ReasonNoEndpoints, Object: s.Name, Rule: "endpoints"}
	e := &s.Empty
	switch {
	case e.Selector != "" && e.Matched == 0:
		f.Reason = v1alpha1.ReasonSelectorMatchesNothing
		f.Text = fmt.Sprintf("Service %s has no endpoints: its selector %s matches no pod", s.Name, e.Selector)
		if e.Meant != "" {
			f.Text += ": " + e.Meant
		}
	case len(e.NotReady) > 0:
		f.Reason = v1alpha1.ReasonPodsNotReady
		f.Text = fmt.Sprintf("Service %s has no endpoints: %s not ready (%s%s): see kubectl describe pod and the readiness probe", s.Name,
			words.Plural(e.Pods, "its only pod is", "its %d pods are"), strings.Join(e.NotReady, ", "), more(e.Pods-len(e.NotReady)))
	default:
		f.Text = fmt.Sprintf("Service %s has no endpoints: see whether its selector matches pods, and whether those are ready", s.Name)
	}
	return f
}
