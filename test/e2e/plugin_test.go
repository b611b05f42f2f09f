// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// The stories of this file are those of kubectl's plugin: the program that
// hack/e2e.sh built, under the name that kubectl looks for.

// probeBound is how long it may take from the command to the rung.
const probeBound = 15 * time.Second

// plugin installs the program as kubectl's plugin for the rest of the test.
func plugin(t *testing.T) (path string) {
	t.Helper()
	program, err := filepath.Abs(envOr("NETLADDER_BINARY", "../../bin/netladder"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path = filepath.Join(dir, "kubectl-netladder")
	if err := errors.Join(os.Symlink(program, path), os.Symlink(program, filepath.Join(dir, "kubectl_complete-netladder"))); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return path
}

// ran is how a command ended.
type ran struct {
	out, errOut string
	code        int
	took        time.Duration
}

// run runs the plugin's program and logs what it says.
func run(t *testing.T, program string, args ...string) ran {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	start := time.Now()
	err := cmd.Run()
	r := ran{out: out.String(), errOut: errOut.String(), code: cmd.ProcessState.ExitCode(), took: time.Since(start)}
	exit := &exec.ExitError{}
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	t.Logf("%s %s (exit code %d, %s)\n%s%s", filepath.Base(program), strings.Join(args, " "), r.code, r.took.Round(100*time.Millisecond), r.errOut, r.out)
	return r
}

func (r ran) says(t *testing.T, code int, fragments ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	for _, f := range fragments {
		if !strings.Contains(r.out, f) {
			t.Errorf("it does not say %q", f)
		}
	}
}

// oneOffs are the checks that the plugin made and that are still there.
func oneOffs(ctx context.Context) ([]v1alpha1.ConnectivityCheck, error) {
	var list v1alpha1.ConnectivityCheckList
	err := kube.List(ctx, &list, client.MatchingLabels{"app.kubernetes.io/managed-by": "kubectl-netladder"})
	return list.Items, err
}

// TestFullKubectlProbe: whoever asks for the forgotten order service is told the
// rung and the policy in seconds, and nothing is left behind.
func TestFullKubectlProbe(t *testing.T) {
	const ns = "commerce"
	e := openExample(t, "order-validator", "broken")
	program := plugin(t)
	matured(t, ns)
	ask := func(args ...string) ran {
		t.Helper()
		return run(t, program, append([]string{"probe", "-n", ns}, args...)...)
	}
	forgotten := []string{"deploy/order-validator", "svc/inventory-service:8080", "--http", "/health"}
	r := ask(forgotten...)
	r.says(t, 2, "Policy is broken (PolicyDenies)", "XX Policy", "denied by commerce/default-deny-ingress", "allow-frontend-to-api requires role=frontend",
		"kubectl describe networkpolicy -n commerce ")
	if r.took > probeBound {
		t.Errorf("it took %s, the bound is %s", r.took, probeBound)
	}
	if r := ask("role=frontend", "app=db:5432", "--expect", "deny"); r.code != 0 || !strings.Contains(r.out, "proven to be blocked") {
		t.Error("the database is not said to be blocked")
	}
	ask("role=frontend", "svc/inventory-service", "--http", "/health").says(t, 0, "As expected: it works", "ok Application")
	ask("probers", "apiserver").says(t, 0, "As expected: it works")
	ask("role=frontend", "dns:kubernetes.default.svc").says(t, 0, "As expected: it works")

	var attempt struct {
		Result string
		Status v1alpha1.PathStatus
	}
	if err := json.Unmarshal([]byte(ask(append(forgotten, "-o", "json")...).out), &attempt); err != nil {
		t.Fatal(err)
	}
	if d := attempt.Status.Diagnosis; attempt.Result != "NotAsExpected" || d == nil || d.Rung != v1alpha1.RungPolicy || len(d.Policies) == 0 {
		t.Errorf("as JSON: %+v", attempt)
	}
	if left, err := oneOffs(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if text := kubectl(t, "netladder", "probe", "--help"); !strings.Contains(text, "kubectl netladder probe FROM TO") {
		t.Errorf("kubectl does not find the plugin:\n%s", text)
	}
	run(t, program, "__complete", "probe", "-n", ns, "deploy/f").says(t, 0, "deploy/frontend")
	run(t, filepath.Join(filepath.Dir(program), "kubectl_complete-netladder"), "status", "-n", "comm").says(t, 0)

	eventually(t, settled, "the check of the story fails", pathRef{ns, "order-validator", "inventory"}.is(v1alpha1.StateFailing, ""))
	run(t, program, "status", "-n", ns).says(t, 2, "XX Policy: NetworkPolicy commerce/default-deny-ingress (PolicyDenies)", "commerce/order-validator inventory", "role=frontend")
	e.apply(t, "healed")
	eventually(t, recoveryBound, "the order service gets through", pathRef{ns, "order-validator", "inventory"}.is(v1alpha1.StatePassing, ""))
	ask(forgotten...).says(t, 0, "As expected: it works")
	run(t, program, "status", "-n", ns).says(t, 0, "Healthy: 3 paths of 1 check")
}

// TestFullKubectlKilled: a probe that is killed leaves a check that Netladder
// removes.
func TestFullKubectlKilled(t *testing.T) {
	program := plugin(t)
	cmd := exec.CommandContext(t.Context(), program, "probe", "probers", "192.0.2.1:80", "--timeout", "30s")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var check *v1alpha1.ConnectivityCheck
	eventually(t, 10*time.Second, "the check is there", func(ctx context.Context) error {
		list, err := oneOffs(ctx)
		if err == nil && len(list) != 1 {
			err = fmt.Errorf("there are %d", len(list))
		}
		if err == nil {
			check = &list[0]
		}
		return err
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if ttl := check.Annotations[v1alpha1.AnnotationTTL]; ttl != "2m30s" {
		t.Errorf("it would be there for %q", ttl)
	}
	patch := client.MergeFrom(check.DeepCopy())
	check.Annotations[v1alpha1.AnnotationTTL] = "15s"
	if err := kube.Patch(t.Context(), check, patch); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "Netladder removes it", func(ctx context.Context) error {
		err := kube.Get(ctx, client.ObjectKeyFromObject(check), check)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is there (%w)", err)
	})
}

// TestFullKubectlSuggest: what is suggested from the policies of the stories can
// be applied as it is, and turns Ready.
func TestFullKubectlSuggest(t *testing.T) {
	stories := []struct{ example, file, healed, namespace string }{
		{"order-validator", "broken", "", "commerce"},
		{"typo", "broken", "healed", "payments"},
		{"monitoring-goes-dark", "broken", "", "storefront"},
		{"and-versus-or", "broken", "", "warehouse"},
		{"both-directions", "broken", "", "invoicing"},
		{"default-deny-without-dns", "broken", "", "checkout"},
		{"exact-words", "right", "", "gateways"},
		{"nobody-enforces", "broken", "", "vault"},
	}
	program := plugin(t)
	var namespaces []string
	for _, s := range stories {
		e := openExample(t, s.example, s.file)
		if s.healed != "" {
			e.apply(t, s.healed)
		}
		namespaces = append(namespaces, s.namespace)
	}
	matured(t, namespaces...)
	for _, s := range stories {
		r := run(t, program, "suggest", "-n", s.namespace)
		r.says(t, 0, "# Suggested from the NetworkPolicies of namespace "+s.namespace, "kind: ConnectivityCheck")
		file := filepath.Join(t.TempDir(), "checks.yaml")
		if err := os.WriteFile(file, []byte(r.out), 0o600); err != nil {
			t.Fatal(err)
		}
		kubectl(t, "apply", "-f", file)
	}
	for _, s := range stories {
		eventually(t, 3*time.Minute, "what is suggested for "+s.example+" is Ready", func(ctx context.Context) error {
			var list v1alpha1.ConnectivityCheckList
			if err := kube.List(ctx, &list, client.InNamespace(s.namespace)); err != nil {
				return err
			}
			n := 0
			for i := range list.Items {
				c := &list.Items[i]
				if !strings.HasPrefix(c.Name, "network-policies") {
					continue
				}
				n++
				ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
				if ready == nil || ready.Status != metav1.ConditionTrue || c.Status.ObservedGeneration != c.Generation {
					return fmt.Errorf("%s/%s: Ready is %+v", c.Namespace, c.Name, ready)
				}
			}
			if n == 0 {
				return errors.New("there is no such check")
			}
			return nil
		})
	}
}
