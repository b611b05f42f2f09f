// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"slices"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// defaultGrace is Settings.Grace where it is zero.
const defaultGrace = 30 * time.Second

// judge holds what is the same for all paths of one judgement.
type judge struct {
	in    *Input
	grace time.Duration
	// prefix of the keys of this check's groups.
	prefix  string
	sources map[string]*source
	// silent are the nodes that hold pairs and are stale without an excuse.
	silent map[string]bool
	// deadline is Summary.Deadline as far as known.
	deadline time.Time
	// claim is reused from source to source, proof from proof to proof.
	claim, proof claim
}

// Summarize says what the paths of one check are. It needs time in proportion
// to the sources of the check's groups, to the pairs that do not pass and to
// those of Deny paths.
func Summarize(in Input) Summary {
	j := newJudge(&in)
	paths := make([]*tally, len(in.Check.Spec.Paths))
	for i := range in.Check.Spec.Paths {
		paths[i] = j.path(&in.Check.Spec.Paths[i])
	}
	shareWorst(paths)
	out := Summary{Causes: j.explain(paths), Paths: make([]v1alpha1.PathStatus, len(paths))}
	for i, t := range paths {
		out.Paths[i] = t.status
		if e := t.enforcement; e != nil && e.nodes() > 0 {
			out.Enforcement = append(out.Enforcement, *e)
		}
	}
	for name := range j.silent {
		out.Stale = append(out.Stale, name)
	}
	slices.Sort(out.Stale)
	out.Conditions = j.conditions(out.Paths, paths, out.Stale)
	out.Deadline = j.deadline
	return out
}

func newJudge(in *Input) *judge {
	j := &judge{
		in: in, grace: in.Settings.Grace,
		prefix:  in.Check.Namespace + "/" + in.Check.Name + "/",
		sources: make(map[string]*source, len(in.Reports)),
		silent:  map[string]bool{},
	}
	if j.grace <= 0 {
		j.grace = defaultGrace
	}
	return j
}

// wakeAt notes that the judgement may change at t because of time alone.
func (j *judge) wakeAt(t time.Time) {
	if t.After(j.in.Now) && (j.deadline.IsZero() || t.Before(j.deadline)) {
		j.deadline = t
	}
}

// resolved returns what the plan made of a path, nil while it has not.
func (j *judge) resolved(name string) *plan.ResolvedPath {
	if j.in.Resolved == nil {
		return nil
	}
	for i := range j.in.Resolved.Paths {
		if j.in.Resolved.Paths[i].Name == name {
			return &j.in.Resolved.Paths[i]
		}
	}
	return nil
}

// previous returns what was last persisted about a path, nil if nothing was.
func (j *judge) previous(name string) *v1alpha1.PathStatus {
	for i := range j.in.Previous.Paths {
		if j.in.Previous.Paths[i].Name == name {
			return &j.in.Previous.Paths[i]
		}
	}
	return nil
}
