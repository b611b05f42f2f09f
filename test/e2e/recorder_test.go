// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// transition is a path that changed its state.
type transition struct {
	at       time.Time
	path     string // check/path
	from, to v1alpha1.State
	message  string
	// status is what it is now.
	status *v1alpha1.PathStatus
}

func (t transition) String() string {
	return fmt.Sprintf("%s %s: %s → %s (%s)", t.at.Format("15:04:05.0"), t.path, t.from, t.to, t.message)
}

// recorder sees every status that the API server held, not only those that a
// poll would happen to see.
type recorder struct {
	namespace   string
	mu          sync.Mutex
	states      map[string]v1alpha1.State
	transitions []transition
	// found is what each path was at the first sight, as after an outage in which
	// nobody could look.
	found []transition
}

// record watches the checks of Netladder's own namespace until the test ends.
func record(t *testing.T) *recorder {
	t.Helper()
	return recordIn(t, namespace)
}

// recordIn is record for another namespace.
func recordIn(t *testing.T, namespace string) *recorder {
	t.Helper()
	r := &recorder{namespace: namespace, states: map[string]v1alpha1.State{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			r.watch(ctx)
		}
	}()
	return r
}

// watch follows one watch until it ends, as it does when the API server stops.
func (r *recorder) watch(ctx context.Context) {
	w, err := kube.Watch(ctx, &v1alpha1.ConnectivityCheckList{}, client.InNamespace(r.namespace))
	if err != nil {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
		return
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		if check, ok := event.Object.(*v1alpha1.ConnectivityCheck); ok && event.Type != watch.Deleted {
			r.see(check)
		}
	}
}

func (r *recorder) see(check *v1alpha1.ConnectivityCheck) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range check.Status.Paths {
		key := check.Name + "/" + p.Name
		if before, known := r.states[key]; !known {
			r.found = append(r.found, transition{time.Now(), key, "not seen before", p.State, p.Message, p.DeepCopy()})
		} else if before != p.State {
			r.transitions = append(r.transitions, transition{time.Now(), key, before, p.State, p.Message, p.DeepCopy()})
		}
		r.states[key] = p.State
	}
}

// current is nil when the recorder has seen what the API server holds now.
func (r *recorder) current(ctx context.Context) error {
	checks := &v1alpha1.ConnectivityCheckList{}
	if err := kube.List(ctx, checks, client.InNamespace(r.namespace)); err != nil {
		return err
	}
	if len(checks.Items) == 0 {
		return errors.New("there is no check to watch")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, check := range checks.Items {
		for _, p := range check.Status.Paths {
			if seen := r.states[check.Name+"/"+p.Name]; seen != p.State {
				return fmt.Errorf("%s/%s is %s, the recorder saw %q", check.Name, p.Name, p.State, seen)
			}
		}
	}
	return nil
}

// to returns the transitions into a state so far, and the paths that were found
// in it.
func (r *recorder) to(state v1alpha1.State) []transition {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []transition
	for _, tr := range slices.Concat(r.found, r.transitions) {
		if tr.to == state {
			found = append(found, tr)
		}
	}
	return found
}

// all returns the transitions so far.
func (r *recorder) all() []transition {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.transitions)
}

// quiet fails the test if any path was Failing or Degraded at any moment, or if
// the recorder does not know.
func (r *recorder) quiet(t *testing.T) {
	t.Helper()
	eventually(t, 10*time.Second, "the recorder is up to date", r.current)
	for _, state := range []v1alpha1.State{v1alpha1.StateFailing, v1alpha1.StateDegraded} {
		for _, tr := range r.to(state) {
			t.Errorf("a path was %s although nothing is wrong: %s", state, tr)
		}
	}
}

// paths are the paths that were seen.
func (r *recorder) paths() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.states))
}

// quietSince is quiet for the transitions after the first n.
func (r *recorder) quietSince(t *testing.T, n int) {
	t.Helper()
	eventually(t, 10*time.Second, "the recorder is up to date", r.current)
	for _, tr := range r.all()[n:] {
		if tr.to == v1alpha1.StateFailing || tr.to == v1alpha1.StateDegraded {
			t.Errorf("a path was %s although nothing is wrong: %s%s", tr.to, tr, tr.pairs())
		}
	}
}

// onlyAbout fails the test if a path was Failing in the transitions after the
// first n for another reason than a node: a pair that fails has to be from or to
// it. Of a Service's address it is not known what did not answer: there the
// diagnosis names the node, or nothing.
func (r *recorder) onlyAbout(t *testing.T, n int, node string) {
	t.Helper()
	eventually(t, 10*time.Second, "the recorder is up to date", r.current)
	for _, tr := range r.all()[n:] {
		if tr.to != v1alpha1.StateFailing {
			continue
		}
		t.Logf("%s%s", tr, tr.pairs())
		d := tr.status.Diagnosis
		open := d == nil || d.Rung == v1alpha1.RungUndetermined || strings.Contains(d.Message, node)
		for _, pair := range tr.status.WorstPairs {
			about := pair.SourceNode == node || pair.TargetNode == node || pair.TargetNode == "" && open
			if pair.State == v1alpha1.StateFailing && !about {
				t.Errorf("%s → %s has nothing to do with %s: %s", pair.Source, pair.Target, node, tr)
			}
		}
	}
}

// pairs says which pairs failed, for people.
func (t transition) pairs() string {
	var b strings.Builder
	for _, p := range t.status.WorstPairs {
		fmt.Fprintf(&b, "\n    %s: %s on %s → %s on %s: %s", p.State, p.Source, p.SourceNode, p.Target, p.TargetNode, p.Evidence)
	}
	if d := t.status.Diagnosis; d != nil {
		fmt.Fprintf(&b, "\n    %s/%s: %s", d.Rung, d.Reason, d.Message)
	}
	return b.String()
}
