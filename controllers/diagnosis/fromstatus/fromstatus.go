// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package fromstatus tells the causes of paths that fail from the persisted
// statuses of their checks, for those who did not judge them. It is pure.
package fromstatus

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
)

// Path is a declared path that fails, and what its check's status says of it.
// None of the pointers is nil.
type Path struct {
	Check  *v1alpha1.ConnectivityCheck
	Spec   *v1alpha1.Path
	Status *v1alpha1.PathStatus
}

// Found is what a path that fails fails for, as far as its status tells. A
// rung between nodes gives one finding for each pair of nodes, so that a node
// that all of them have in common is found. nodes are those that Nodes gives.
func Found(e *Path, nodes map[string]bool) []causes.Found {
	key := types.NamespacedName{Namespace: e.Check.Namespace, Name: e.Check.Name}
	f := causes.Found{Check: key, Path: e.Spec.Name, Rung: v1alpha1.RungUndetermined}
	d := e.Status.Diagnosis
	if d == nil || d.Rung == v1alpha1.RungUndetermined {
		// All that two of them are known to have in common is the target.
		f.Reason, f.Object = cmp.Or(e.Status.Reason, v1alpha1.ReasonUnexplained), targetText(e.Check.Namespace, &e.Spec.To)
		if d != nil {
			f.Reason = d.Reason
		}
		return []causes.Found{f}
	}
	f.Rung, f.Reason = d.Rung, d.Reason
	if len(d.Policies) > 0 {
		p := mainPolicy(d)
		f.Object = "NetworkPolicy " + p.Namespace + "/" + cmp.Or(p.Name, "*")
		return []causes.Found{f}
	}
	if betweenNodes(d) {
		if list := ofNodes(f, e.Status, nodes); len(list) > 0 {
			return list
		}
	}
	f.Object = objectText(e, d)
	return []causes.Found{f}
}

// mainPolicy is the one that the sentence names first, as Summarize says it of its
// causes: the others are those that nearly admit.
func mainPolicy(d *v1alpha1.PathDiagnosis) *v1alpha1.DecidingPolicy {
	best, first := &d.Policies[0], len(d.Message)
	for i := range d.Policies {
		p := &d.Policies[i]
		words := p.Namespace + "/" + p.Name
		if p.Name == "" {
			words = "a policy of namespace " + p.Namespace
		}
		if at := whole(d.Message, words); at >= 0 && at < first {
			best, first = p, at
		}
	}
	return best
}

// whole is where words first stand in a text that are no part of longer names;
// -1 if nowhere.
func whole(text, words string) int {
	named := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' }
	for at := 0; ; at++ {
		next := strings.Index(text[at:], words)
		if next < 0 {
			return -1
		}
		at += next
		end := at + len(words)
		before := at > 0 && (named(text[at-1]) || text[at-1] == '.')
		after := end < len(text) && (named(text[end]) || text[end] == '.' && end+1 < len(text) && named(text[end+1]))
		if !before && !after {
			return at
		}
	}
}

func betweenNodes(d *v1alpha1.PathDiagnosis) bool {
	switch d.Rung {
	case v1alpha1.RungNode, v1alpha1.RungUnderlay, v1alpha1.RungOverlay, v1alpha1.RungMTU, v1alpha1.RungPodNetwork:
		return true
	}
	return d.Reason == v1alpha1.ReasonProxyBroken
}

// HiddenNode stands in a sentence for a node that the check may not see.
const HiddenNode = "the target's node"

const besideHidden = " and " + HiddenNode

// hides is true for a pair of nodes of which one is hidden.
func hides(f *causes.Found) bool {
	return len(f.Nodes) == 0 && strings.HasSuffix(f.Object, besideHidden)
}

// Nodes are the nodes that the pairs of paths are about.
func Nodes(paths []Path) map[string]bool {
	nodes := map[string]bool{}
	for i := range paths {
		for _, w := range paths[i].Status.WorstPairs {
			nodes[w.SourceNode], nodes[w.TargetNode] = true, true
		}
	}
	delete(nodes, "")
	return nodes
}

// ofNodes are the nodes that a diagnosis is about. It names them in its
// sentence; the pairs, of all paths that fail, say which words of it are nodes:
// what a Service's address leads to, its own pairs do not say.
func ofNodes(f causes.Found, p *v1alpha1.PathStatus, nodes map[string]bool) []causes.Found {
	var named []string
	for _, word := range wordsOf(p.Diagnosis.Message) {
		if nodes[word] && !slices.Contains(named, word) {
			named = append(named, word)
		}
	}
	var pairs [][2]string
	ends := 0 // of which only the source's node is known
	for _, w := range p.WorstPairs {
		switch {
		case w.State != v1alpha1.StateFailing:
		case w.SourceNode != "" && w.TargetNode != "":
			pairs = append(pairs, [2]string{w.SourceNode, w.TargetNode})
		default:
			ends++
		}
	}
	if common, _ := around(p.Diagnosis.Message); common != "" {
		var out []causes.Found
		for _, pair := range pairs {
			if pair[0] != pair[1] && slices.Contains(pair[:], common) {
				f.Nodes = pair[:]
				out = append(out, f)
			}
		}
		return out
	}
	if len(named) == 0 || len(named) > 2 {
		return nil
	}
	if strings.Contains(p.Diagnosis.Message, HiddenNode) {
		f.Object = named[0] + besideHidden
		return []causes.Found{f}
	}
	if len(named) == 1 && ends > 0 && p.Diagnosis.Rung != v1alpha1.RungNode && p.Diagnosis.Reason != v1alpha1.ReasonProxyBroken {
		return nil // the other node is not known, and this one may be well
	}
	f.Nodes = named
	return []causes.Found{f}
}

// partOf is how a sentence begins that is about some of the pairs.
var partOf = regexp.MustCompile(`^[0-9]+ of the [0-9]+ pairs shown: `)

// around is the node that all pairs have in common that a sentence is about, and
// what it says of them; no node where they have none, or it is not shown.
func around(message string) (node, rest string) {
	message = strings.TrimPrefix(message, diagnosis.Open)
	message = partOf.ReplaceAllLiteralString(message, "")
	if after, ok := strings.CutPrefix(message, "around "); ok {
		if node, rest, ok := strings.Cut(after, ": "); ok {
			return node, rest
		}
	}
	return "", message
}

// wordsOf a sentence that may be names of nodes.
func wordsOf(message string) []string {
	words := strings.FieldsFunc(message, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
	})
	for i := range words {
		words[i] = strings.Trim(words[i], "-.")
	}
	return words
}

// ClusterDNS is the object of what ails the servers of the cluster's DNS.
const ClusterDNS = "the cluster's DNS"

// objectText is what is broken where the status does not say it apart.
func objectText(e *Path, d *v1alpha1.PathDiagnosis) string {
	if d.Rung == v1alpha1.RungDNS {
		switch d.Reason {
		case v1alpha1.ReasonDNSNameNotFound, v1alpha1.ReasonDNSNoRecord, v1alpha1.ReasonDNSWrongAnswer:
		default:
			return ClusterDNS
		}
	}
	return targetText(e.Check.Namespace, &e.Spec.To)
}

// targetText is a target in a few words.
func targetText(namespace string, to *v1alpha1.Target) string {
	switch {
	case to.Service != nil:
		return "Service " + cmp.Or(to.Service.Namespace, namespace) + "/" + to.Service.Name
	case to.APIServer != nil:
		return "Service default/kubernetes"
	case to.DNS != nil:
		return "the name " + to.DNS.Name
	case to.Host != nil:
		return fmt.Sprintf("%s port %d", cmp.Or(to.Host.Hostname, to.Host.IP), to.Host.Port)
	case to.Pods != nil:
		where := "namespace " + namespace
		if to.Pods.NamespaceSelector != nil {
			where = "namespaces " + SelectorText(to.Pods.NamespaceSelector)
		}
		return fmt.Sprintf("pods %s of %s, port %s", SelectorText(&to.Pods.PodSelector), where, to.Pods.Port.String())
	case to.Mesh != nil:
		return "pods of the nodes"
	case to.Nodes != nil:
		return "the nodes"
	case to.Overlay != nil:
		return "the overlay"
	case to.Canary != nil:
		return "the canary pods, " + string(to.Canary.Direction)
	}
	return "what this version does not know"
}

// SelectorText is a selector as kubectl takes one, or in words where it selects
// all.
func SelectorText(s *metav1.LabelSelector) string {
	if text := metav1.FormatLabelSelector(s); text != "" && text != "<none>" {
		return text
	}
	return "of any labels"
}
