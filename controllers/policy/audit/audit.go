// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package audit finds what is probably a mistake in the NetworkPolicies of a
// namespace: what they select, admit or forget that nobody can have meant. It is
// pure: no client, no clock; the same index gives the same findings.
//
// Audit looks at the policies as they are now. Settle says which of what it
// found has stood for long enough to be told, and For turns that into the status
// of a NetworkPolicyAudit.
package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/policy"
)

// Finding is one thing that is the matter with a policy, or with the namespace.
type Finding struct {
	// ID is the same for as long as the finding is about the same clause.
	ID string
	// Code says what is the matter.
	Code v1alpha1.FindingCode
	// Severity says how likely it is a mistake.
	Severity v1alpha1.FindingSeverity
	// Policy that it is about, by name; empty if it is about the namespace.
	Policy string
	// Clause of the policy, such as spec.ingress[0].from[1]; empty if it is about
	// the policy as a whole.
	Clause string
	// Message of at most 1,024 bytes: what is the matter, and what to write
	// instead. It names nothing of a namespace that does not disclose it.
	Message string
}

// Input of an audit.
type Input struct {
	// Index of the whole cluster. It is only read.
	Index *policy.Index
	// Namespace that is audited.
	Namespace string
	// Silence is the namespace's annotation of that name; empty without one.
	Silence string
}

// Report is what an audit found.
type Report struct {
	// Policies that the namespace has.
	Policies int
	// Findings, the most serious first, without those that are silenced.
	Findings []Finding
	// Partial is true where the namespace asked for more work than an audit may
	// cost, so that not every clause was looked at.
	Partial bool
}

// Bounds of an audit.
const (
	// maxFindings that are kept; what is beyond is not even counted.
	maxFindings = 1000
	// maxCost in comparisons of a selector with labels, or a rule with a
	// connection: nothing is observed meanwhile.
	maxCost = 500_000
	// peerCost is what it costs to read a peer and find that it was looked at
	// before.
	peerCost = 4
	// maxSuggestions that are looked for.
	maxSuggestions = 50
	// maxMessage is the length of a message, in bytes.
	maxMessage = 1024
)

// Audit finds what is the matter with the policies of a namespace.
func Audit(in Input) Report {
	a := run(in)
	return Report{Policies: len(a.policies), Findings: a.found, Partial: a.partial}
}

func run(in Input) *auditor {
	a := &auditor{
		index: in.Index, namespace: in.Namespace, policies: in.Index.Policies(in.Namespace), pods: in.Index.Pods(in.Namespace),
		silent: map[string]map[v1alpha1.FindingCode]bool{"": silenced(in.Silence)},
		seen:   map[string]bool{}, kinds: map[string][]kind{}, matched: map[string]bool{}, asked: map[*plan.Pod]bool{},
	}
	a.survey()
	for _, p := range a.policies {
		a.silent[p.Name] = silenced(p.Annotations[v1alpha1.AnnotationSilence])
	}
	for _, p := range a.policies {
		if !a.afford(1) {
			break
		}
		a.selection(p)
		a.peers(p)
		a.ports(p)
	}
	a.dns()
	a.monitoring()
	a.coverage()
	slices.SortFunc(a.found, compare)
	return a
}

// compare orders findings: warnings first, then as the codes are documented,
// then by policy and clause.
func compare(a, b Finding) int {
	return cmp.Or(
		cmp.Compare(rank(a.Severity), rank(b.Severity)),
		cmp.Compare(slices.Index(v1alpha1.FindingCodes(), a.Code), slices.Index(v1alpha1.FindingCodes(), b.Code)),
		strings.Compare(a.Policy, b.Policy), strings.Compare(a.Clause, b.Clause), strings.Compare(a.ID, b.ID),
	)
}

func rank(s v1alpha1.FindingSeverity) int {
	if s == v1alpha1.FindingWarning {
		return 0
	}
	return 1
}

// auditor is one audit under way.
type auditor struct {
	index     *policy.Index
	namespace string
	policies  []*networkingv1.NetworkPolicy
	pods      []*plan.Pod

	// spaces are all namespaces, and open those about whose pods this one may
	// learn: itself, and those that disclose to it.
	spaces []*plan.Namespace
	open   map[string]bool

	// silent are the codes that are silenced, by policy; of the namespace under
	// the empty name.
	silent map[string]map[v1alpha1.FindingCode]bool
	found  []Finding
	// seen are the IDs of what was found.
	seen map[string]bool

	// kinds of pods by namespace, what selectors matched by their text, and of
	// which kinds it was asked what isolates them, by their first pods.
	kinds   map[string][]kind
	matched map[string]bool
	asked   map[*plan.Pod]bool
	// cost so far, and suggestions that were looked for.
	cost, suggestions int
	partial           bool
}

// survey notes the namespaces, and which of them disclose to this one.
func (a *auditor) survey() {
	a.spaces, a.open = a.index.Namespaces(), map[string]bool{a.namespace: true}
	for _, n := range a.spaces {
		if n.Labels[v1alpha1.LabelDiscloseTo] == a.namespace {
			a.open[n.Name] = true
		}
	}
}

// add notes a finding, unless it is silenced or there are too many.
func (a *auditor) add(f Finding) {
	if a.silent[""][f.Code] || a.silent[f.Policy][f.Code] {
		return
	}
	f.ID = identify(f)
	switch {
	case a.seen[f.ID]:
		return
	case len(a.found) == maxFindings:
		a.partial = true
		return
	}
	a.seen[f.ID] = true
	f.Message = cutText(f.Message, maxMessage)
	a.found = append(a.found, f)
}

// identify a finding by what it is about, so that its ID outlives the pods that
// it was found with.
func identify(f Finding) string {
	sum := sha256.Sum256([]byte(string(f.Code) + "\x00" + f.Policy + "\x00" + f.Clause))
	return hex.EncodeToString(sum[:8])
}

// maxSilence bounds an annotation that lists codes, in bytes.
const maxSilence = 1024

// silenced are the codes that an annotation lists. What is no code silences
// nothing.
func silenced(annotation string) map[v1alpha1.FindingCode]bool {
	if annotation == "" {
		return nil
	}
	out := map[v1alpha1.FindingCode]bool{}
	for _, word := range strings.FieldsFunc(cutText(annotation, maxSilence), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
		if code := v1alpha1.FindingCode(word); slices.Contains(v1alpha1.FindingCodes(), code) {
			out[code] = true
		}
	}
	return out
}
