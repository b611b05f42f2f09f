// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"slices"
	"strconv"
	"strings"

	"github.com/netladder/netladder/api/v1alpha1"
)

// goneTarget is shown for a pod that left, where it may have been one that the
// check must not learn of.
const goneTarget = "a pod that is gone"

// name says who a pair is, for people. What the check must not be shown of
// the target is not in it: neither its name, its address nor its node, and no
// evidence, which may hold them.
func (j *judge) name(t *tally, c *claim, p *pair) (b bad) {
	if t.canary != "" {
		return j.nameCanary(t, c, p)
	}
	b = bad{pair: p, source: c.src.name, sourceNode: c.src.name, group: c.group, node: c.src.name}
	if p.pod != nil {
		b.source = j.podName(p.pod.Namespace, p.pod.Name)
	}
	if t.claimed && p.targetPod() == "" && j.in.Nodes[p.node] == nil {
		p.node = "" // whoever wrote that may have meant something else by it
	}
	switch where, hidden := j.hidden(t, p); {
	case hidden:
		b.target, b.hidden = where, true
		return b
	case p.target == nil && p.node != "":
		b.target = p.meshTarget(t.protocol)
	case p.node != "" && (c.group.Kind == v1alpha1.ProbeTunnel || c.group.Kind == v1alpha1.ProbeMTU || c.group.Kind == v1alpha1.ProbeIPIP):
		b.target = p.tunnelTarget(c.group.Kind)
	default:
		b.target = j.targetName(c, p)
	}
	b.targetNode = p.node
	return b
}

// meshTarget names an echo pod by its node, with the protocol where the path
// tests several and the IP family where it is not the node's first.
func (p *pair) meshTarget(protocol string) string {
	family := ""
	if p.second {
		_, family, _ = strings.Cut(p.key, "/")
	}
	switch {
	case protocol != "" && family != "":
		return p.node + " (" + protocol + ", " + family + ")"
	case protocol != "" || family != "":
		return p.node + " (" + protocol + family + ")"
	}
	return p.node
}

// tunnelTarget names the end of a tunnel by its node, with the IP family inside
// where that is IPv6, and what is tested where that is not the tunnel as such.
func (p *pair) tunnelTarget(k v1alpha1.ProbeKind) string {
	var more []string
	if k != v1alpha1.ProbeTunnel {
		more = append(more, string(k))
	}
	if p.addr.Addr().Is6() {
		more = append(more, "IPv6")
	}
	if len(more) == 0 {
		return p.node
	}
	return p.node + " (" + strings.Join(more, ", ") + ")"
}

// targetName names a pod by its name and port, with the IP family where it is
// not the pod's only one, anything else as it is dialled.
func (j *judge) targetName(c *claim, p *pair) string {
	w := j.in.Pods[p.targetPod()]
	if w == nil {
		return printable(p.aim(), maxTarget)
	}
	name := j.podName(w.Namespace, w.Name)
	if p.target.Port != 0 {
		name += ":" + strconv.Itoa(int(p.target.Port))
	}
	if p.target.Protocol == v1alpha1.ProtocolUDP {
		name += "/UDP"
	}
	if p.addr.Addr().Is6() && c.hasIPv4(p.target.UID) {
		name += " (IPv6)"
	}
	return name
}

// hasIPv4 is true if a pod is also aimed at by IPv4.
func (c *claim) hasIPv4(uid string) bool {
	targets := c.src.report.Assignment.Spec.Targets
	return slices.ContainsFunc(c.group.Members, func(m int32) bool {
		return m >= 0 && int(m) < len(targets) && targets[m].UID == uid && !strings.Contains(targets[m].IP, ":")
	})
}

// podName is a pod's name, with its namespace where that is not the check's.
func (j *judge) podName(namespace, name string) string {
	if namespace != j.in.Check.Namespace {
		name = namespace + "/" + name
	}
	return printable(name, maxTarget)
}

// hidden says what is shown instead of a target that the check must not learn
// more of than its namespace.
func (j *judge) hidden(t *tally, p *pair) (instead string, hidden bool) {
	if !t.foreign || p.target == nil && p.node != "" {
		return "", false
	}
	uid := p.targetPod()
	if uid == "" {
		return "namespace " + t.service, j.hides(t, t.service)
	}
	if w := j.in.Pods[uid]; w != nil {
		return "namespace " + w.Namespace, j.hides(t, w.Namespace)
	}
	// Which namespace it was in is not known any more.
	return goneTarget, true
}

// hides is true for a namespace that does not disclose to the check's.
func (j *judge) hides(t *tally, namespace string) bool {
	return t.foreign && namespace != "" && namespace != j.in.Check.Namespace && !j.in.Disclosing[namespace]
}
