// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package draft writes checks from the NetworkPolicies of a namespace: what they
// allow, and what they mean to deny. What comes out is to be read by a person.
// It is pure.
package draft

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/index"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// Bounds of a draft.
const (
	// MaxPaths of one check, as the API has it.
	MaxPaths = 64
	// maxDrafted paths in all: more than anybody reviews.
	maxDrafted = 512
	// maxPairs of pods that are evaluated for one pair of workloads: those of one
	// workload have the same labels.
	maxPairs = 5
	// maxNotes about what is not tested.
	maxNotes = 200
)

// Input is what the user may read of the cluster. Only what is of Namespace has
// to be there; what is of others adds to it.
type Input struct {
	// Namespace whose policies are drafted from, Home Netladder's own.
	Namespace, Home string
	// Name of the checks.
	Name       string
	Pods       []corev1.Pod
	Namespaces []corev1.Namespace
	Policies   []networkingv1.NetworkPolicy
	Services   []corev1.Service
	// Checks that are there already say which ports are used.
	Checks []v1alpha1.ConnectivityCheck
}

// Draft is what is suggested.
type Draft struct {
	Checks []Check
	// Notes say what is not tested, and why.
	Notes []string
	// Policies and Workloads that it was drafted from.
	Policies, Workloads int
}

// Check is one check to review.
type Check struct {
	Name string
	// About says what all of its paths have in common.
	About string
	Paths []Path
}

// Path with the reason why it is there.
type Path struct {
	v1alpha1.Path
	Why string
}

// drafter puts a Draft together.
type drafter struct {
	in        *Input
	index     *policy.Index
	raw       map[string]*corev1.Pod
	workloads []*workload
	notes     []string
	// outside is who a prober is for policies.
	outside *plan.Pod
	names   map[string]bool
	paths   []Path
	probers []Path
	left    int
}

// Of drafts checks.
func Of(in *Input) Draft {
	d := &drafter{in: in, index: policy.NewIndex(), raw: map[string]*corev1.Pod{}, names: map[string]bool{}}
	own := 0
	for i := range in.Namespaces {
		d.index.SetNamespace(index.Namespace(&in.Namespaces[i]))
	}
	for i := range in.Policies {
		d.index.SetPolicy(&in.Policies[i])
		if in.Policies[i].Namespace == in.Namespace {
			own++
		}
	}
	for i := range in.Pods {
		p := &in.Pods[i]
		if known := index.Workload(p); known != nil {
			d.index.SetPod(known)
			d.raw[string(p.UID)] = p
		}
	}
	d.outside = d.proberPod()
	d.workloads = d.workloadsOf(in.Namespace)
	d.notePolicies()
	for _, w := range d.workloads {
		d.findPorts(w)
	}
	for _, target := range d.workloads {
		d.to(target)
	}
	for _, source := range d.workloads {
		d.names53(source)
		d.elsewhere(source)
	}
	out := Draft{Policies: own, Workloads: len(d.workloads)}
	if own > 0 {
		out.Checks = d.checks()
		out.Notes = d.notes
	}
	if d.left > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("%d more paths are left out: this many nobody reviews; write them for the workloads that matter", d.left))
	}
	return out
}

// note something that is not tested, once.
func (d *drafter) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(d.notes) < maxNotes && !slices.Contains(d.notes, text) {
		d.notes = append(d.notes, text)
	}
}

// to drafts the paths to one workload: from the others of the namespace, and
// from outside of it.
func (d *drafter) to(target *workload) {
	isolated := len(d.index.Isolating(target.pods[0], policy.Ingress)) > 0
	if len(target.ports) == 0 {
		if isolated {
			d.note("which port %s listens on is not known: no containerPort, Service, rule or check names one; nothing is tested to it", target.name)
		}
		return
	}
	for _, port := range target.ports {
		for _, source := range d.workloads {
			if source != target {
				d.between(source, target, port)
			}
		}
		if isolated {
			d.fromOutside(target, port)
		}
	}
}

// between drafts the path from one workload of the namespace to another.
func (d *drafter) between(source, target *workload, port int32) {
	r, same := d.evaluate(source.pods, target.pods, port)
	ends := fmt.Sprintf("%s to %s on port %d", source.name, target.name, port)
	path := v1alpha1.Path{From: v1alpha1.Source{Pods: &v1alpha1.PodsSource{PodSelector: source.selector()}}}
	switch {
	case !same:
		d.note("%s: policies treat some of their pods otherwise than others; give them labels that tell them apart", ends)
	case r.Verdict == policy.Allow:
		why := d.admitted(&r)
		if other := d.declared(v1alpha1.ExpectDeny, source, target, port); other != "" && why != "" {
			d.note("%s: %s, and path %s declares that it must be blocked; decide which is meant", ends, why, other)
			return
		}
		if why != "" {
			path.To = d.targetOf(target, port)
			d.add(&d.paths, path, name(source.name, "to", target.name, port), why)
		}
	case r.Verdict == policy.ImplementationDefined:
		d.note("%s: what the policies mean is left to the network plugin (%s)", ends, cmp.Or(r.Ingress.Why, r.Egress.Why))
	default:
		if half := d.contradiction(&r); half != "" {
			d.note("%s: %s; decide which is meant, and write the path yourself", ends, half)
			return
		}
		if other := d.declared(v1alpha1.ExpectAllow, source, target, port); other != "" {
			d.note("%s: %s, and path %s declares that it must work; decide which is meant", ends, d.denied(&r), other)
			return
		}
		path.To, path.Expect = podsTarget(target, port, ""), v1alpha1.ExpectDeny
		d.add(&d.paths, path, name(source.name, "not-to", target.name, port), d.denied(&r))
	}
}

// fromOutside drafts whether others than the namespace's own pods get in:
// Netladder's probers are such.
func (d *drafter) fromOutside(target *workload, port int32) {
	if d.in.Namespace == d.in.Home {
		return
	}
	r, same := d.evaluate([]*plan.Pod{d.outside}, target.pods, port)
	if !same {
		return
	}
	path := v1alpha1.Path{From: v1alpha1.Source{Probers: &v1alpha1.ProbersSource{}}, To: podsTarget(target, port, "")}
	switch {
	case r.Ingress.Verdict == policy.Deny:
		path.Expect = v1alpha1.ExpectDeny
		d.add(&d.probers, path, name("others", "not-to", target.name, port), d.denied(&r))
	case r.Verdict == policy.Allow && r.Ingress.Admitting != nil:
		d.add(&d.probers, path, name("others", "to", target.name, port), d.admitted(&r))
	}
}

// elsewhere drafts the paths that a workload's egress rules admit by name to pods
// of other namespaces. That anything else there is denied cannot be proven
// without those namespaces' consent.
func (d *drafter) elsewhere(source *workload) {
	if len(d.index.Isolating(source.pods[0], policy.Egress)) == 0 {
		return
	}
	for _, namespace := range d.namespaces() {
		for _, target := range d.workloadsOf(namespace) {
			if d.isDNS(target.pods[0]) {
				continue
			}
			d.findPorts(target)
			for _, port := range target.ports {
				r, same := d.evaluate(source.pods, target.pods, port)
				if !same || r.Verdict != policy.Allow || r.Egress.Admitting == nil || !d.specific(r.Egress.Admitting, policy.Egress) {
					continue
				}
				path := v1alpha1.Path{
					From: v1alpha1.Source{Pods: &v1alpha1.PodsSource{PodSelector: source.selector()}},
					To:   podsTarget(target, port, namespace),
				}
				d.add(&d.paths, path, name(source.name, "to", namespace+"-"+target.name, port), d.admitted(&r))
			}
		}
	}
}

// namespaces other than the one that is drafted for, and Netladder's.
func (d *drafter) namespaces() []string {
	var out []string
	for _, p := range d.raw {
		if p.Namespace != d.in.Namespace && p.Namespace != d.in.Home && !slices.Contains(out, p.Namespace) {
			out = append(out, p.Namespace)
		}
	}
	slices.Sort(out)
	return out
}

func (d *drafter) add(to *[]Path, path v1alpha1.Path, name, why string) {
	if len(d.paths)+len(d.probers) >= maxDrafted {
		d.left++
		return
	}
	path.Name = d.unique(name)
	*to = append(*to, Path{path, why})
}

// checks of all paths, as many as they need.
func (d *drafter) checks() []Check {
	var out []Check
	for _, each := range []struct {
		paths       []Path
		name, about string
	}{
		{d.paths, d.in.Name, "From the pods of the namespace."},
		{d.probers, d.in.Name + "-outside", "From outside of the namespace: Netladder's probers stand for all who are not meant."},
	} {
		for n, part := range slices.Collect(slices.Chunk(each.paths, MaxPaths)) {
			c := Check{Name: each.name, About: each.about, Paths: part}
			if n > 0 {
				c.Name += fmt.Sprintf("-%d", n+1)
			}
			out = append(out, c)
		}
	}
	return out
}

// evaluate the connections between two workloads; same is false where policies
// tell their pods apart.
func (d *drafter) evaluate(from, to []*plan.Pod, port int32) (out policy.Result, same bool) {
	for i, source := range from[:min(len(from), maxPairs)] {
		for j, target := range to[:min(len(to), maxPairs)] {
			r := d.index.Evaluate(policy.Flow{
				Source: policy.Peer{Pod: source}, Destination: policy.Peer{Pod: target}, Protocol: v1alpha1.ProtocolTCP, Port: port,
			})
			if i+j > 0 && r.Verdict != out.Verdict {
				return out, false
			}
			if i+j == 0 {
				out = r
			}
		}
	}
	return out, true
}

// proberPod is one of Netladder's probers, or else what a policy would see of it.
func (d *drafter) proberPod() *plan.Pod {
	pods := d.index.Pods(d.in.Home)
	for _, p := range pods {
		if p.Labels[v1alpha1.LabelComponent] == "prober" {
			return p
		}
	}
	p := &plan.Pod{UID: "a prober", Labels: map[string]string{v1alpha1.LabelName: "netladder", v1alpha1.LabelComponent: "prober"}}
	p.Key.Namespace, p.Key.Name = d.in.Home, "netladder-prober"
	return p
}

// shortName of a policy: its namespace is only named where it is another.
func (d *drafter) shortName(r *policy.Rule) string {
	if r.Policy.Namespace == d.in.Namespace {
		return r.Policy.Name
	}
	return r.Policy.String()
}

func joined(texts []string) string {
	if n := len(texts); n > 1 {
		return strings.Join(texts[:n-1], ", ") + " and " + texts[n-1]
	}
	return strings.Join(texts, "")
}
