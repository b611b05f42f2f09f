// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// Shrink drops what a failure does not need, one thing at a time, until
// nothing more can go. fails tells whether a smaller case still shows it.
func Shrink(c Case, fails func(Case) bool) Case {
	for {
		smaller, found := firstFailing(c, fails)
		if !found {
			return c
		}
		c = smaller
	}
}

func firstFailing(c Case, fails func(Case) bool) (Case, bool) {
	for i := range c.Cluster.Policies {
		next := c
		next.Cluster.Policies = slices.Delete(slices.Clone(c.Cluster.Policies), i, i+1)
		if fails(next) {
			return next, true
		}
	}
	for i, pod := range c.Cluster.Pods {
		if pod == c.Flow.Source.Pod || pod == c.Flow.Destination.Pod {
			continue
		}
		next := c
		next.Cluster.Pods = slices.Delete(slices.Clone(c.Cluster.Pods), i, i+1)
		if fails(next) {
			return next, true
		}
	}
	for i := range c.Cluster.Namespaces {
		next := c
		next.Cluster.Namespaces = slices.Delete(slices.Clone(c.Cluster.Namespaces), i, i+1)
		if fails(next) {
			return next, true
		}
	}
	for i, p := range c.Cluster.Policies {
		for _, smaller := range smallerPolicies(p) {
			next := c
			next.Cluster.Policies = slices.Clone(c.Cluster.Policies)
			next.Cluster.Policies[i] = smaller
			if fails(next) {
				return next, true
			}
		}
	}
	for _, next := range smallerPods(c) {
		if fails(next) {
			return next, true
		}
	}
	return c, false
}

// smallerPolicies are all that lack one thing.
func smallerPolicies(p *netpol) []*netpol {
	var out []*netpol
	try := func(change func(*netpol)) {
		smaller := p.DeepCopy()
		change(smaller)
		out = append(out, smaller)
	}
	for i := range p.Spec.Ingress {
		try(func(p *netpol) { p.Spec.Ingress = slices.Delete(p.Spec.Ingress, i, i+1) })
		for j := range p.Spec.Ingress[i].From {
			try(func(p *netpol) { p.Spec.Ingress[i].From = slices.Delete(p.Spec.Ingress[i].From, j, j+1) })
		}
		for j := range p.Spec.Ingress[i].Ports {
			try(func(p *netpol) { p.Spec.Ingress[i].Ports = slices.Delete(p.Spec.Ingress[i].Ports, j, j+1) })
		}
	}
	for i := range p.Spec.Egress {
		try(func(p *netpol) { p.Spec.Egress = slices.Delete(p.Spec.Egress, i, i+1) })
		for j := range p.Spec.Egress[i].To {
			try(func(p *netpol) { p.Spec.Egress[i].To = slices.Delete(p.Spec.Egress[i].To, j, j+1) })
		}
		for j := range p.Spec.Egress[i].Ports {
			try(func(p *netpol) { p.Spec.Egress[i].Ports = slices.Delete(p.Spec.Egress[i].Ports, j, j+1) })
		}
	}
	if !isEmpty(&p.Spec.PodSelector) {
		try(func(p *netpol) { p.Spec.PodSelector.MatchLabels, p.Spec.PodSelector.MatchExpressions = nil, nil })
	}
	return out
}

// smallerPods are the cases whose ends lack something.
func smallerPods(c Case) []Case {
	var out []Case
	for i, pod := range c.Cluster.Pods {
		try := func(change func(*corev1.Pod)) {
			smaller, next := pod.DeepCopy(), c
			change(smaller)
			next.Cluster.Pods = slices.Clone(c.Cluster.Pods)
			next.Cluster.Pods[i] = smaller
			for _, end := range []*End{&next.Flow.Source, &next.Flow.Destination} {
				if end.Pod == pod {
					end.Pod = smaller
				}
			}
			out = append(out, next)
		}
		for key := range pod.Labels {
			try(func(p *corev1.Pod) { delete(p.Labels, key) })
		}
		for j := range pod.Spec.InitContainers {
			try(func(p *corev1.Pod) { p.Spec.InitContainers = slices.Delete(p.Spec.InitContainers, j, j+1) })
		}
		for j := range pod.Spec.Containers {
			if len(pod.Spec.Containers[j].Ports) > 0 {
				try(func(p *corev1.Pod) { p.Spec.Containers[j].Ports = p.Spec.Containers[j].Ports[1:] })
			}
		}
	}
	return out
}

// YAML of a case, as somebody would apply it.
func (c Case) YAML() string {
	var objects []any
	for _, n := range c.Cluster.Namespaces {
		objects = append(objects, n)
	}
	for _, p := range c.Cluster.Pods {
		objects = append(objects, p)
	}
	for _, p := range c.Cluster.Policies {
		objects = append(objects, p)
	}
	parts := []string{"# " + c.Flow.String()}
	for _, object := range objects {
		text, err := yaml.Marshal(object)
		if err != nil {
			text = fmt.Appendf(nil, "# %v", err)
		}
		parts = append(parts, strings.TrimSpace(string(text)))
	}
	return strings.Join(parts, "\n---\n")
}
