// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// exampleImage is the image of docs/examples, of which the lab's podtool
// understands what the examples ask for. Nothing else of them is changed.
const exampleImage = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"

// example is a folder of docs/examples.
type example struct {
	name  string
	files string // folder of the files as they are applied
}

// openExample applies the first of an example's files, and removes everything
// when the test ends.
func openExample(t *testing.T, name, first string) example {
	t.Helper()
	e := example{name, t.TempDir()}
	sources, err := filepath.Glob(filepath.Join("../../docs/examples", name, "*.yaml"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("example %s: files %v, %v", name, sources, err)
	}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.ReplaceAll(string(text), exampleImage, podtoolImage))
		if err := os.WriteFile(filepath.Join(e.files, filepath.Base(source)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
		defer cancel()
		if out, err := tryLab(ctx, "kubectl", "delete", "--ignore-not-found", "-f", filepath.Join(e.files, first+".yaml")); err != nil {
			t.Errorf("delete example %s: %v\n%s", name, err, out)
		}
	})
	e.apply(t, first)
	return e
}

// apply applies another of the example's files.
func (e example) apply(t *testing.T, file string) {
	t.Helper()
	t.Logf("kubectl apply -f docs/examples/%s/%s.yaml", e.name, file)
	kubectl(t, "apply", "-f", filepath.Join(e.files, file+".yaml"))
}

// matured waits until all containers of the namespaces run and none of their
// pods is so young that it excuses bad results.
func matured(t *testing.T, namespaces ...string) {
	t.Helper()
	for _, ns := range namespaces {
		eventually(t, 2*time.Minute, "the pods of "+ns+" have run for a while", func(ctx context.Context) error {
			var pods corev1.PodList
			if err := kube.List(ctx, &pods, client.InNamespace(ns)); err != nil {
				return err
			}
			if len(pods.Items) == 0 {
				return fmt.Errorf("there are none yet")
			}
			for i := range pods.Items {
				if age := sinceReady(&pods.Items[i]); age < grace {
					return fmt.Errorf("%s is Ready for %s", pods.Items[i].Name, age)
				}
			}
			return nil
		})
	}
}

// diagnosed is nil when the path fails for a reason, by exactly these policies
// ("Ingress of NAMESPACE/NAME", in any order), and the message holds every
// fragment.
func (r pathRef) diagnosed(reason string, policies []string, fragments ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		p, err := r.get(ctx)
		if err != nil {
			return err
		}
		d := p.Diagnosis
		if p.State != v1alpha1.StateFailing || d == nil {
			return fmt.Errorf("%s is %s (%s: %s), diagnosis %+v", r, p.State, p.Reason, p.Message, d)
		}
		var named []string
		for _, each := range d.Policies {
			named = append(named, fmt.Sprintf("%s of %s/%s", each.Direction, each.Namespace, each.Name))
		}
		want := slices.Clone(policies)
		slices.Sort(named)
		slices.Sort(want)
		if d.Rung != v1alpha1.RungPolicy || d.Reason != reason || !slices.Equal(named, want) {
			return fmt.Errorf("%s: diagnosis %+v, want %s by %q", r, d, reason, want)
		}
		for _, f := range fragments {
			if !strings.Contains(d.Message, f) {
				return fmt.Errorf("%s: diagnosis says %q, want %q in it", r, d.Message, f)
			}
		}
		return nil
	}
}

// named waits until the path is diagnosed, and logs what it says.
func (r pathRef) named(t *testing.T, reason string, policies []string, fragments ...string) *v1alpha1.PathDiagnosis {
	t.Helper()
	eventually(t, settled, r.path+" says why", r.diagnosed(reason, policies, fragments...))
	p, err := r.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.Diagnosis == nil {
		t.Fatalf("%s: the diagnosis is gone again: %+v", r, p)
	}
	t.Logf("%s: %s", p.Diagnosis.Reason, p.Diagnosis.Message)
	return p.Diagnosis
}

// told waits for an event about an object of a namespace with a reason, whose
// note holds every fragment.
func told(t *testing.T, ns, object, reason string, fragments ...string) {
	t.Helper()
	eventually(t, 10*time.Second, "event "+reason, func(ctx context.Context) error {
		events := &eventsv1.EventList{}
		if err := kube.List(ctx, events, client.InNamespace(ns)); err != nil {
			return err
		}
	events:
		for _, e := range events.Items {
			if e.Regarding.Name != object || e.Reason != reason {
				continue
			}
			for _, fragment := range fragments {
				if !strings.Contains(e.Note, fragment) {
					continue events
				}
			}
			return nil
		}
		return fmt.Errorf("no event %s about %s says %q", reason, object, fragments)
	})
}

// reported is how long a story waits for a finding: it has to stand for a
// minute, so that rollouts are not reported.
const reported = 2 * time.Minute

// found is nil when the audit of a namespace has a finding about a policy (or,
// with an empty name, about the namespace) whose message holds every fragment.
func found(ns string, code v1alpha1.FindingCode, policy string, fragments ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		audit := &v1alpha1.NetworkPolicyAudit{}
		if err := kube.Get(ctx, client.ObjectKey{Namespace: ns, Name: v1alpha1.AuditName}, audit); err != nil {
			return err
		}
	findings:
		for _, f := range audit.Status.Findings {
			if f.Code != code || f.Policy != policy {
				continue
			}
			for _, fragment := range fragments {
				if !strings.Contains(f.Message, fragment) {
					continue findings
				}
			}
			return nil
		}
		return fmt.Errorf("no finding %s about %q that says %q in %+v", code, policy, fragments, audit.Status.Findings)
	}
}

func auditOf(t *testing.T, ns string) *v1alpha1.NetworkPolicyAudit {
	t.Helper()
	audit := &v1alpha1.NetworkPolicyAudit{}
	if err := kube.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: v1alpha1.AuditName}, audit); err != nil {
		t.Fatal(err)
	}
	return audit
}

// notFound is nil when the audit of a namespace, which has one, has no such
// finding.
func notFound(ns string, code v1alpha1.FindingCode) func(context.Context) error {
	return func(ctx context.Context) error {
		audit := &v1alpha1.NetworkPolicyAudit{}
		if err := kube.Get(ctx, client.ObjectKey{Namespace: ns, Name: v1alpha1.AuditName}, audit); err != nil {
			return err
		}
		for _, f := range audit.Status.Findings {
			if f.Code == code {
				return fmt.Errorf("still there: %+v", f)
			}
		}
		return nil
	}
}
