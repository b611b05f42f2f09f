// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package overview

import (
	"cmp"
	"slices"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
	"github.com/netladder/netladder/controllers/diagnosis/fromstatus"
)

// nextSteps are commands that show more of a cause; the last shows its first
// path. What to do about it is in the sentence.
func nextSteps(c *causes.Cause, e *entry) []string {
	var out []string
	d := e.status.Diagnosis
	switch c.Rung {
	case v1alpha1.RungPolicy:
		out = policyCommands(d)
	case v1alpha1.RungNode, v1alpha1.RungUnderlay, v1alpha1.RungOverlay, v1alpha1.RungMTU, v1alpha1.RungPodNetwork:
		if !strings.Contains(c.Object, fromstatus.HiddenNode) {
			if nodes := strings.Split(c.Object, " and "); len(nodes) <= 2 && c.Node != "" || len(nodes) == 2 {
				out = append(out, "kubectl describe node "+strings.Join(nodes, " "))
			}
		}
	case v1alpha1.RungEndpoints, v1alpha1.RungService:
		namespace, name := serviceOf(e)
		if name != "" {
			out = append(out, "kubectl get endpointslices -n "+namespace+" -l kubernetes.io/service-name="+name)
		}
	case v1alpha1.RungListener, v1alpha1.RungApplication:
		if to := e.spec.To.Pods; to != nil && to.NamespaceSelector == nil && len(to.PodSelector.MatchExpressions) == 0 {
			out = append(out, "kubectl logs -n "+e.check.Namespace+" -l "+cmp.Or(fromstatus.SelectorText(&to.PodSelector), "''")+" --prefix --tail=20")
		}
	}
	return append(out, "kubectl describe ccheck -n "+e.check.Namespace+" "+e.check.Name)
}

// policyCommands show the policies of one namespace at a time.
func policyCommands(d *v1alpha1.PathDiagnosis) []string {
	if d == nil {
		return nil
	}
	var namespaces []string
	names := map[string][]string{}
	for _, p := range d.Policies {
		if p.Name == "" || slices.Contains(names[p.Namespace], p.Name) {
			continue
		}
		if names[p.Namespace] == nil {
			namespaces = append(namespaces, p.Namespace)
		}
		names[p.Namespace] = append(names[p.Namespace], p.Name)
	}
	var out []string
	for _, namespace := range namespaces {
		out = append(out, "kubectl describe networkpolicy -n "+namespace+" "+strings.Join(names[namespace], " "))
	}
	return out
}

func serviceOf(e *entry) (namespace, name string) {
	switch to := &e.spec.To; {
	case to.Service != nil:
		return cmp.Or(to.Service.Namespace, e.check.Namespace), to.Service.Name
	case to.APIServer != nil:
		return "default", "kubernetes"
	}
	return "", ""
}
