// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// The stories of the chart run on a lab without Netladder, which hack/e2e.sh
// gives them.
const (
	release   = "nl" // any name will do
	chartPath = "../../charts/netladder"
	// installDeadline is for a whole installation, until its checks are Ready.
	installDeadline = 5 * time.Minute
)

// helm runs the real Helm on the lab.
func helm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := tryHelm(t.Context(), args...)
	if err != nil {
		dump(t)
		t.Fatalf("helm %v: %v\n%s", args, err, out)
	}
	return out
}

func tryHelm(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, envOr("HELM", "../../bin/helm"), append([]string{"--namespace", namespace}, args...)...)
	// Nobody's own configuration and caches.
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+os.TempDir()+"/netladder-helm", "HELM_CONFIG_HOME="+os.TempDir()+"/netladder-helm", "HELM_DATA_HOME="+os.TempDir()+"/netladder-helm")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// imageValues are the flags for an image that the lab has.
func imageValues(t *testing.T, variable string) []string {
	t.Helper()
	repository, tag, ok := strings.Cut(os.Getenv(variable), ":")
	if !ok {
		t.Skipf("%s names no image: run it by hack/e2e.sh", variable)
	}
	return []string{"--set", "image.repository=" + repository, "--set", "image.tag=" + tag}
}

// withoutNetladder makes a namespace that enforces a Pod Security level, and
// returns all that is there before Netladder is.
func withoutNetladder(t *testing.T, podSecurity string) snapshot {
	t.Helper()
	labels := map[string]string{"pod-security.kubernetes.io/enforce": podSecurity}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: labels}}
	eventually(t, time.Minute, "a namespace without Netladder", func(ctx context.Context) error {
		return kube.Create(ctx, ns.DeepCopy()) // one that is on its way out is waited for
	})
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_, _ = tryHelm(ctx, "uninstall", release, "--ignore-not-found", "--wait", "--timeout=2m")
		if err := kube.Delete(ctx, ns); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
		// The next story begins without the CRDs too.
		for _, crd := range ourCRDs() {
			if out, err := tryLab(ctx, "kubectl", "delete", "crd", crd, "--ignore-not-found"); err != nil {
				t.Errorf("delete the CRD %s: %v\n%s", crd, err, out)
			}
		}
	})
	eventually(t, time.Minute, "the namespace's own objects", func(ctx context.Context) error {
		return errors.Join(
			kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "default"}, &corev1.ServiceAccount{}),
			kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "kube-root-ca.crt"}, &corev1.ConfigMap{}))
	})
	return snapshotOf(t)
}

func ourCRDs() []string {
	return []string{"connectivitychecks.netladder.io", "networkpolicyaudits.netladder.io", "probeassignments.netladder.io"}
}

// leavesOnly waits until nothing is there that was not before, but for the CRDs
// and what the story names.
func (before snapshot) leavesOnly(t *testing.T, also ...string) {
	t.Helper()
	allowed := map[string]bool{"apiservices.apiregistration.k8s.io/v1alpha1.netladder.io": true}
	for _, crd := range ourCRDs() {
		allowed["customresourcedefinitions.apiextensions.k8s.io/"+crd] = true
	}
	for _, name := range also {
		allowed[name] = true
	}
	eventually(t, 2*time.Minute, "nothing is left but CRDs", func(context.Context) error {
		now := snapshotOf(t)
		var left, gone []string
		for name := range now {
			if !before[name] && !allowed[name] {
				left = append(left, name)
			}
		}
		for name := range before {
			if !now[name] {
				gone = append(gone, name)
			}
		}
		for name := range allowed {
			if !now[name] {
				gone = append(gone, name)
			}
		}
		if len(left)+len(gone) > 0 {
			return fmt.Errorf("left: %v; gone: %v", left, gone)
		}
		return nil
	})
}

// The defaults run in a namespace that enforces Pod Security "restricted".
func TestFullHelmRestricted(t *testing.T) {
	image := imageValues(t, "NETLADDER_IMAGE")
	before := withoutNetladder(t, "restricted")
	start := time.Now()
	notes := helm(t, append([]string{"install", release, chartPath, "--wait", "--timeout=5m"}, image...)...)
	for _, command := range []string{"kubectl -n " + namespace + " wait", "kubectl get ccheck -A", "kubectl explain ccheck.spec.paths"} {
		if !strings.Contains(notes, command) {
			t.Errorf("the notes do not tell of %q:\n%s", command, notes)
		}
	}
	eventually(t, installDeadline, "cluster-network is Ready", ready(clusterNetwork))
	eventually(t, installDeadline, "policy-enforcement is Ready", ready("policy-enforcement"))
	t.Logf("install to Ready: %s", time.Since(start).Round(time.Second))
	kubectl(t, "-n", namespace, "wait", "--for=condition=Ready", "--timeout=3m", "ccheck/"+clusterNetwork)
	kubectl(t, "get", "ccheck", "-A")
	kubectl(t, "explain", "ccheck.spec.paths")
	for _, component := range []string{"prober", "echo", "canary"} {
		pods, err := podsOf(t.Context(), component)
		if err != nil || len(pods) < 3 {
			t.Errorf("%d %s pods in a restricted namespace: %v", len(pods), component, err)
		}
	}
	helm(t, "uninstall", release, "--wait", "--timeout=3m")
	before.leavesOnly(t)
}

// Install, upgrade, rollback and uninstall, at the level with most to leave
// behind. The user's own check stays with its CRD.
func TestFullHelmLifecycle(t *testing.T) {
	first, next := imageValues(t, "NETLADDER_IMAGE"), imageValues(t, "NETLADDER_IMAGE_NEXT")
	before := withoutNetladder(t, "privileged")
	chart := packaged(t, "0.0.9")
	const network = "checks.clusterNetwork.interval=2s"
	helm(t, append([]string{"install", release, chart, "--wait", "--timeout=5m", "--set", "level=Full", "--set", network}, first...)...)
	eventually(t, installDeadline, "cluster-network is Ready", ready(clusterNetwork))
	create(t, namespace, "of-the-user", v1alpha1.Path{
		Name: "dns", From: v1alpha1.Source{Probers: &v1alpha1.ProbersSource{}},
		To: v1alpha1.Target{DNS: &v1alpha1.DNSTarget{Name: "kubernetes.default.svc.cluster.local.", Transport: v1alpha1.DNSOverUDP}},
	})
	eventually(t, time.Minute, "the user's check is Ready", ready("of-the-user"))
	eventually(t, time.Minute, "there is an audit to leave behind", func(ctx context.Context) error {
		return kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.AuditName}, &v1alpha1.NetworkPolicyAudit{})
	})
	firstImage := controllerImage(t)

	// An upgrade finds CRDs of an older version.
	const crd = "crd/connectivitychecks.netladder.io"
	kubectl(t, "patch", crd, "--type=json", "-p", `[{"op":"replace","path":"/spec/versions/0/additionalPrinterColumns","value":[]}]`)
	helm(t, append([]string{"upgrade", release, chartPath, "--wait", "--timeout=5m", "--set", "level=Full", "--set", network,
		"--set", "pods.labels.team=sre", "--set", "prober.resources.limits.memory=160Mi"}, next...)...)
	if columns := kubectl(t, "get", crd, "-o", "jsonpath={.spec.versions[0].additionalPrinterColumns[*].name}"); !strings.Contains(columns, "Ready") {
		t.Errorf("the upgrade left the CRD as it was: columns %q", columns)
	}
	if controllerImage(t) == firstImage {
		t.Error("the upgrade changed no image")
	}
	rolledOut(t, "upgrade", "sre", "160Mi")
	hookIsGone(t)
	eventually(t, installDeadline, "cluster-network is Ready", ready(clusterNetwork))

	helm(t, "rollback", release, "1", "--wait", "--timeout=5m")
	if got := controllerImage(t); got != firstImage {
		t.Errorf("after the rollback the image is %s, want %s", got, firstImage)
	}
	rolledOut(t, "rollback", "", "128Mi")
	eventually(t, installDeadline, "cluster-network is Ready", ready(clusterNetwork))
	eventually(t, time.Minute, "the user's check is Ready", ready("of-the-user"))

	helm(t, "uninstall", release, "--wait", "--timeout=3m")
	before.leavesOnly(t, "connectivitychecks.netladder.io/"+namespace+"/of-the-user")
}

// packaged is the chart under another version: the one before.
func packaged(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	helm(t, "package", chartPath, "--version", version, "--destination", dir)
	return dir + "/netladder-" + version + ".tgz"
}

func controllerImage(t *testing.T) string {
	t.Helper()
	var deployment appsv1.Deployment
	if err := kube.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "netladder-controller"}, &deployment); err != nil {
		t.Fatal(err)
	}
	return deployment.Spec.Template.Spec.Containers[0].Image
}

// rolledOut waits until the probers are what the values say, with the
// controller's image.
func rolledOut(t *testing.T, what, team, memory string) {
	t.Helper()
	image := controllerImage(t)
	eventually(t, 3*time.Minute, "the probers after the "+what, func(ctx context.Context) error {
		var set appsv1.DaemonSet
		if err := kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.ProberName}, &set); err != nil {
			return err
		}
		template := set.Spec.Template
		container := template.Spec.Containers[0]
		if container.Image != image || template.Labels["team"] != team || container.Resources.Limits.Memory().String() != memory {
			return fmt.Errorf("image %s, labels %v, resources %v", container.Image, template.Labels, container.Resources)
		}
		s := set.Status
		if s.ObservedGeneration != set.Generation || s.UpdatedNumberScheduled != s.DesiredNumberScheduled || s.NumberAvailable != s.DesiredNumberScheduled {
			return fmt.Errorf("rolling out: %+v", s)
		}
		return nil
	})
}

// hookIsGone: what upgraded the CRDs keeps no rights.
func hookIsGone(t *testing.T) {
	t.Helper()
	err := kube.Get(t.Context(), client.ObjectKey{Name: "netladder-crds-upgrade"}, &rbacv1.ClusterRole{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("the role of the CRDs' upgrade: %v, want it gone", err)
	}
}
