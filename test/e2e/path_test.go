// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// recoveryBound is the stated time from a policy that allows a path to the
// status that says so.
const recoveryBound = interval + timeout + 5*time.Second

// settled is how long a story waits for pods that were just started: the grace
// for young pods, and a round after it.
const settled = time.Minute

// pathRef names a path of a check.
type pathRef struct{ namespace, check, path string }

func (r pathRef) String() string { return r.namespace + "/" + r.check + "/" + r.path }

func (r pathRef) get(ctx context.Context) (*v1alpha1.PathStatus, error) {
	check := &v1alpha1.ConnectivityCheck{}
	if err := kube.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: r.check}, check); err != nil {
		return nil, err
	}
	p := pathOf(check, r.path)
	if p == nil {
		return nil, fmt.Errorf("%s has no status yet", r)
	}
	return p, nil
}

// is is nil when the path is in a state. reason, where it is not empty, must be
// that of the path or of one of its pairs.
func (r pathRef) is(state v1alpha1.State, reason string) func(context.Context) error {
	return func(ctx context.Context) error {
		p, err := r.get(ctx)
		if err != nil {
			return err
		}
		if p.State == state && (reason == "" || p.Reason == reason) {
			return nil
		}
		if p.State == state {
			for i := range p.WorstPairs {
				if p.WorstPairs[i].Reason == reason {
					return nil
				}
			}
		}
		return fmt.Errorf("%s is %s (%s: %s), want %s %s; worst pairs %+v", r, p.State, p.Reason, p.Message, state, reason, p.WorstPairs)
	}
}

// failsWith is nil when the path is Failing, with this verdict in every pair
// that fails and the fragment in its evidence.
func (r pathRef) failsWith(verdict v1alpha1.Verdict, fragment string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := r.is(v1alpha1.StateFailing, "")(ctx); err != nil {
			return err
		}
		p, err := r.get(ctx)
		if err != nil {
			return err
		}
		for _, w := range p.WorstPairs {
			if w.State == v1alpha1.StateFailing && (w.Verdict != verdict || !strings.Contains(w.Evidence, fragment)) {
				return fmt.Errorf("%s: pair %+v, want verdict %s and evidence with %q", r, w, verdict, fragment)
			}
		}
		return nil
	}
}

// stays fails the test if the path is in any other state before d has passed.
func (r pathRef) stays(t *testing.T, d time.Duration, state v1alpha1.State) {
	t.Helper()
	holds(t, d, func() {
		if err := r.is(state, "")(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// fromPods and the others shorten what the stories declare.
func fromPods(l label) v1alpha1.Source {
	return v1alpha1.Source{Pods: &v1alpha1.PodsSource{PodSelector: ptr.To(l.selector())}}
}

func toPods(l label, port int32, protocol v1alpha1.Protocol) v1alpha1.Target {
	return v1alpha1.Target{Pods: &v1alpha1.PodsTarget{
		PodSelector: l.selector(), Port: intstr.FromInt32(port), Protocol: protocol,
	}}
}

func toService(name string, port int32) v1alpha1.Target {
	return v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: name, Port: intstr.FromInt32(port)}}
}

func deny(name string, from v1alpha1.Source, to v1alpha1.Target) v1alpha1.Path {
	return v1alpha1.Path{Name: name, From: from, To: to, Expect: v1alpha1.ExpectDeny}
}

func allow(name string, from v1alpha1.Source, to v1alpha1.Target) v1alpha1.Path {
	return v1alpha1.Path{Name: name, From: from, To: to}
}

// eventsAbout counts the events about a check.
func eventsAbout(t *testing.T, namespace, check string) int {
	t.Helper()
	list := &corev1.EventList{}
	if err := kube.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range list.Items {
		if list.Items[i].InvolvedObject.Name == check {
			n++
		}
	}
	return n
}

var everyPod = metav1.LabelSelector{}
