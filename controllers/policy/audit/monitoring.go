// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// maxCollectors of a monitoring namespace that are looked at.
const maxCollectors = 16

// collector is a namespace whose pods collect metrics.
type collector struct {
	namespace string
	pods      []*plan.Pod
}

// monitoring finds pods with a port for metrics that admit no collector.
func (a *auditor) monitoring() {
	groups := slices.DeleteFunc(a.groups(policy.Ingress, portsText), func(g *group) bool { return len(metricsPorts(g.pods[0])) == 0 })
	if len(groups) == 0 {
		return
	}
	collectors := a.collectors()
	if len(collectors) == 0 {
		return
	}
	var dark []*group
	for _, g := range groups {
		if !slices.ContainsFunc(metricsPorts(g.pods[0]), func(p plan.ContainerPort) bool { return a.admitsAny(g, p, collectors) }) {
			dark = append(dark, g)
		}
	}
	for _, g := range merge(dark, policy.Ingress) {
		p, port := g.blamed(policy.Ingress), metricsPorts(g.pods[0])[0]
		a.add(Finding{
			Code: v1alpha1.FindingMonitoringCutOff, Severity: v1alpha1.FindingWarning, Policy: p.Name,
			Message: fmt.Sprintf("%s isolates %s for ingress, and no rule of %s admits namespace %s to the port %s (%s %d), so that nobody collects their metrics. "+
				"Add to ingress: - {from: [%s], ports: [{protocol: %s, port: %s}]}",
				p.Name, described(g.pods), policyNames(g.policies), collectors[0].namespace, port.Name, port.Protocol, port.Port,
				inNamespace(collectors[0].namespace), port.Protocol, port.Name),
		})
	}
}

// collectors are the namespaces that are labelled as monitoring, or have a name
// that says so. What labels a pod has in some namespace makes none: whoever may
// create pods could so be recommended to all others.
func (a *auditor) collectors() []collector {
	var out []collector
	for _, n := range a.spaces {
		if !collects(n) {
			continue
		}
		c := collector{namespace: n.Name}
		var others []*plan.Pod
		for _, k := range a.kindsOf(n.Name) {
			if k.labels["app.kubernetes.io/name"] == "prometheus" || k.labels["app"] == "prometheus" {
				c.pods = append(c.pods, k.pods[0])
			} else {
				others = append(others, k.pods[0])
			}
		}
		if len(c.pods) == 0 {
			c.pods = others
		}
		if len(c.pods) == 0 {
			// One that is yet to come.
			c.pods = []*plan.Pod{{Labels: map[string]string{"app.kubernetes.io/name": "prometheus"}}}
			c.pods[0].Key.Namespace = n.Name
		}
		c.pods = c.pods[:min(len(c.pods), maxCollectors)]
		if out = append(out, c); len(out) == maxCollectors {
			break
		}
	}
	return out
}

func collects(n *plan.Namespace) bool {
	label := n.Labels[v1alpha1.LabelMonitoring]
	return label == "true" || label == "" && (n.Name == "monitoring" || n.Name == "prometheus")
}

// Concerns says whether the pods of a namespace matter to the audits of all
// others: it has the cluster's DNS, or collects metrics.
func Concerns(n *plan.Namespace) bool {
	return slices.Contains(dnsNamespaces(), n.Name) || collects(n)
}

// admitsAny says whether a group admits any collector to a port, or leaves that
// to the network plugin, or it would be too much work to find out.
func (a *auditor) admitsAny(g *group, port plan.ContainerPort, collectors []collector) bool {
	for _, c := range collectors {
		for _, from := range c.pods {
			if !a.afford(g.cost(policy.Ingress)) {
				return true
			}
			result := a.index.Evaluate(policy.Flow{
				Source: policy.Peer{Pod: from}, Destination: policy.Peer{Pod: g.pods[0]}, Protocol: port.Protocol, Port: port.Port,
			})
			if result.Ingress.Verdict != policy.Deny {
				return true
			}
		}
	}
	return false
}

// metricsPorts are the ports of a pod whose names say that metrics are served
// there.
func metricsPorts(p *plan.Pod) []plan.ContainerPort {
	var out []plan.ContainerPort
	for _, port := range p.Ports {
		name := port.Name
		if port.Protocol == v1alpha1.ProtocolTCP &&
			(name == "metrics" || name == "prometheus" || strings.HasSuffix(name, "-metrics") || strings.HasPrefix(name, "metrics-")) {
			out = append(out, port)
		}
	}
	return out
}

// portsText is the same for pods with the same ports.
func portsText(p *plan.Pod) string {
	var b strings.Builder
	for _, port := range p.Ports {
		fmt.Fprintf(&b, "%s=%s/%d,", port.Name, port.Protocol, port.Port)
	}
	return b.String()
}
