// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package suggest finds the label that was probably meant where a selector
// matches nothing. It is pure, and its work is bounded however many labels
// there are.
package suggest

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/controllers/plan"
)

// Bounds of the work.
const (
	// maxObjects whose labels are read.
	maxObjects = 5000
	// maxTerms of a selector, and maxValues of one of them, that are looked at.
	maxTerms, maxValues = 8, 8
	// maxCandidates that one wanted label is compared with.
	maxCandidates = 256
)

// Label that an object has, or that a selector asks for; the latter without a
// Value where any will do.
type Label struct {
	// Key and Value as they are written.
	Key, Value string
}

// String is key=value, or the key alone.
func (l Label) String() string {
	if l.Value == "" {
		return l.Key
	}
	return l.Key + "=" + l.Value
}

// Suggestion is a label that was probably meant.
type Suggestion struct {
	// Wanted is what the selector asks for.
	Wanted Label
	// Meant is what objects have.
	Meant Label
	// Objects that the selector would match with Meant instead of Wanted; 0
	// where more in it would have to be changed.
	Objects int
}

// Name is the one of the names that was probably meant; empty if none is near.
func Name(wanted string, names []string) string {
	best, fewest := "", 0
	for _, name := range names[:min(len(names), maxCandidates)] {
		edits, ok := near(wanted, name)
		if ok && edits > 0 && (best == "" || edits < fewest || edits == fewest && name < best) {
			best, fewest = name, edits
		}
	}
	return best
}

// Question asks whether suggestions were meant: "did you mean app=payment?";
// empty without any.
func Question(list []Suggestion) string {
	if len(list) == 0 {
		return ""
	}
	meant := make([]string, len(list))
	for i, s := range list {
		meant[i] = s.Meant.String()
	}
	return "did you mean " + strings.Join(meant, " and ") + "?"
}

// Pods are the labels of pods, for For.
func Pods(pods []*plan.Pod) iter.Seq[map[string]string] {
	return func(yield func(map[string]string) bool) {
		for _, p := range pods {
			if !yield(p.Labels) {
				return
			}
		}
	}
}

// For is what was probably meant by a selector that matches none of the
// objects, given the labels of each: one label that would make it match, or one
// for each of its terms that nothing matches; empty if nothing is near. The
// same labels in the same order give the same answer.
func For(selector *metav1.LabelSelector, objects iter.Seq[map[string]string]) []Suggestion {
	terms := termsOf(selector)
	if len(terms) == 0 {
		return nil
	}
	// single[i] are the objects that all terms but the i-th match, and hit[i] is
	// true if any object matches the i-th.
	single, hit := make([]vocabulary, len(terms)), make([]bool, len(terms))
	all, n := vocabulary{}, 0
	for labels := range objects {
		if n++; n > maxObjects {
			break
		}
		missed, which := 0, 0
		for i := range terms {
			if terms[i].matches(labels) {
				hit[i] = true
			} else {
				missed, which = missed+1, i
			}
		}
		switch missed {
		case 0:
			return nil
		case 1:
			single[which].add(labels, terms[which:which+1])
		}
		all.add(labels, terms)
	}
	best, found := Suggestion{}, ranked{}
	for i := range terms {
		if s, rank, ok := single[i].nearest(terms[i]); ok && (found == ranked{} || rank.before(found)) {
			best, found = s, rank
		}
	}
	if (found != ranked{}) {
		return []Suggestion{best}
	}
	var out []Suggestion
	for i := range terms {
		if s, _, ok := all.nearest(terms[i]); ok && !hit[i] {
			s.Objects = 0
			out = append(out, s)
		}
	}
	return out
}

// term is one requirement of a selector. Only what asks for a label to be there
// can have been misspelt in a way that shows.
type term struct {
	// wanted labels, one of which is enough.
	wanted []Label
	// anyValue is true where only the key is asked for.
	anyValue bool
	// not is a requirement that asks for a label not to be there.
	not *metav1.LabelSelectorRequirement
}

func termsOf(selector *metav1.LabelSelector) []term {
	if selector == nil {
		return nil
	}
	var out []term
	for _, key := range slices.Sorted(maps.Keys(selector.MatchLabels)) {
		out = append(out, term{wanted: []Label{{key, selector.MatchLabels[key]}}})
	}
	for i := range selector.MatchExpressions {
		e := &selector.MatchExpressions[i]
		switch e.Operator {
		case metav1.LabelSelectorOpIn:
			t := term{}
			for _, value := range e.Values[:min(len(e.Values), maxValues)] {
				t.wanted = append(t.wanted, Label{e.Key, value})
			}
			out = append(out, t)
		case metav1.LabelSelectorOpExists:
			out = append(out, term{wanted: []Label{{Key: e.Key}}, anyValue: true})
		default:
			out = append(out, term{not: e})
		}
	}
	return out[:min(len(out), maxTerms)]
}

func (t term) matches(labels map[string]string) bool {
	if t.not != nil {
		value, ok := labels[t.not.Key]
		return !ok || t.not.Operator == metav1.LabelSelectorOpNotIn && !slices.Contains(t.not.Values, value)
	}
	for _, w := range t.wanted {
		if value, ok := labels[w.Key]; ok && (t.anyValue || w.Value == value) {
			return true
		}
	}
	return false
}

// vocabulary counts the objects that have a label.
type vocabulary map[Label]int

// add counts those labels of an object that could be meant by one of the terms:
// with the same key, or the same value.
func (v *vocabulary) add(labels map[string]string, terms []term) {
	var candidates []string
	for key, value := range labels {
		if slices.ContainsFunc(terms, func(t term) bool { return t.mayMean(Label{key, value}) }) {
			candidates = append(candidates, key)
		}
	}
	slices.Sort(candidates) // so that what does not fit is always the same
	for _, key := range candidates {
		label, valued, keyed := Label{key, labels[key]}, false, false
		for _, t := range terms {
			if t.mayMean(label) {
				valued, keyed = valued || !t.anyValue, keyed || t.anyValue
			}
		}
		if valued {
			v.count(label)
		}
		if keyed {
			v.count(Label{Key: key})
		}
	}
}

func (v *vocabulary) count(label Label) {
	if *v == nil {
		*v = vocabulary{}
	}
	if _, known := (*v)[label]; known || len(*v) < maxCandidates {
		(*v)[label]++
	}
}

// mayMean is true if the label may be near to what the term wants.
func (t term) mayMean(l Label) bool {
	return !generated(l.Key) && slices.ContainsFunc(t.wanted, func(w Label) bool {
		return t.anyValue || l.Key == w.Key || l.Value == w.Value
	})
}

// generated is true for labels that nobody writes.
func generated(key string) bool {
	switch key {
	case "pod-template-hash", "controller-revision-hash", "pod-template-generation", "statefulset.kubernetes.io/pod-name":
		return true
	}
	return false
}

// ranked orders candidates.
type ranked struct {
	edits, objects int
	label          Label
}

func (r ranked) before(other ranked) bool {
	return cmp.Or(cmp.Compare(r.edits, other.edits), cmp.Compare(other.objects, r.objects),
		cmp.Compare(r.label.Key, other.label.Key), cmp.Compare(r.label.Value, other.label.Value)) < 0
}

// nearest label to what a term wants: the fewest edits, then the most objects.
func (v vocabulary) nearest(t term) (Suggestion, ranked, bool) {
	best, found := Suggestion{}, ranked{}
	for label, n := range v {
		for _, w := range t.wanted {
			edits, ok := t.apart(w, label)
			rank := ranked{edits, n, label}
			if !ok || (found != ranked{}) && !rank.before(found) {
				continue
			}
			best, found = Suggestion{Wanted: w, Meant: label, Objects: n}, rank
		}
	}
	return best, found, found != ranked{}
}

// otherKey is what it counts, in edits, that a value stands under another of the
// keys which name an application.
const otherKey = 2

// apart is how many edits a label is from the wanted one, if it is near. Either
// the key or the value is off, not both.
func (t term) apart(wanted, label Label) (edits int, ok bool) {
	switch {
	case t.anyValue && label.Value != "":
		return 0, false // counted with its key alone
	case t.anyValue:
		return near(wanted.Key, label.Key)
	case wanted.Key == label.Key:
		return near(wanted.Value, label.Value)
	case wanted.Value != label.Value:
		return 0, false
	case namesApplication(wanted.Key) && namesApplication(label.Key):
		return otherKey, true
	}
	return near(wanted.Key, label.Key)
}

// namesApplication is true for the keys under which tools and people put the
// name of an application.
func namesApplication(key string) bool {
	switch key {
	case "app", "k8s-app", "name", "run", "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component":
		return true
	}
	return false
}
