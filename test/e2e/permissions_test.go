// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/rbac"
)

const controllerName = "netladder-controller"

// What a permission is there for that the other stories have no need of.
func TestPermissionsUsed(t *testing.T) {
	calm(t)
	t.Run("Prometheus asks for metrics", metricsAreAskedFor)
	t.Run("another controller leads", anotherLeads)
	t.Run("a check ends by itself", checkEnds)
	t.Run("an assignment of no node", assignmentOfNoNode)
	t.Run("a pod is refused", podIsRefused)
	t.Run("the canary pods are not wanted", withoutCanary)
}

// An audit comes with the first policy of a namespace and goes with the last.
func TestFullPermissionsUsed(t *testing.T) {
	ns := makeTemporaryNamespace(t, "audited")
	policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "deny"}}
	policy.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	if err := kube.Create(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	key := client.ObjectKey{Namespace: ns, Name: v1alpha1.AuditName}
	eventually(t, reported, "the audit of the namespace", func(ctx context.Context) error {
		audit := &v1alpha1.NetworkPolicyAudit{}
		if err := kube.Get(ctx, key, audit); err != nil {
			return err
		}
		if len(audit.Status.Conditions) == 0 {
			return errors.New("it says nothing yet")
		}
		return nil
	})
	if err := kube.Delete(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	eventually(t, reported, "no audit without policies", gone(key, &v1alpha1.NetworkPolicyAudit{}))
}

// denialsMeant are the requests of Netladder's ServiceAccounts that are meant to
// be denied.
var denialsMeant []rbac.Exception

// unusedMeant are permissions that no run on this cluster uses.
func unusedMeant() (out []rbac.Exception) {
	const fallback = "a watch begins with what is there; where an API server does not serve that, it is listed first"
	list := func(role, group, resource string) {
		out = append(out, rbac.Exception{Role: role, Permission: rbac.Permission{Group: group, Resource: resource, Verb: "list"}, Reason: fallback})
	}
	list(controllerName, "", "nodes")
	list(controllerName, "", "services")
	list(controllerName, "", "pods")
	list(controllerName, "", "configmaps")
	list(controllerName, "discovery.k8s.io", "endpointslices")
	list(controllerName, "netladder.io", "connectivitychecks")
	list(controllerName, "netladder.io", "probeassignments")
	list(controllerName, "apps", "daemonsets")
	list(controllerName, "networking.k8s.io", "networkpolicies")
	list(v1alpha1.ProberName, "netladder.io", "probeassignments")
	return out
}

// TestPermissionsNeeded judges all that ran on this cluster before: nothing was
// denied that Netladder asked for, and what it may do it did.
func TestPermissionsNeeded(t *testing.T) {
	requests := auditLog(t)
	for _, text := range rbac.Denied(requests, denialsMeant) {
		t.Error(text)
	}
	grants := grantsOfNetladder(t)
	for _, text := range rbac.Unused(grants, requests, unusedMeant()) {
		t.Error(text)
	}
	total := 0
	for _, n := range requests {
		total += n
	}
	t.Logf("%d permissions held against %d requests", len(grants), total)
	if len(grants) == 0 || total == 0 {
		t.Error("this proves nothing")
	}
}

func auditLog(t *testing.T) map[rbac.Request]int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), labPath, "--name", labName, "audit-log")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	requests, err := rbac.ReadAudit(out)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	return requests
}

// grantsOfNetladder are what the roles in the cluster permit the ServiceAccounts
// of Netladder's namespace.
func grantsOfNetladder(t *testing.T) (out []rbac.Grant) {
	t.Helper()
	clusterWide, local := &rbacv1.ClusterRoleBindingList{}, &rbacv1.RoleBindingList{}
	if err := errors.Join(kube.List(t.Context(), clusterWide), kube.List(t.Context(), local)); err != nil {
		t.Fatal(err)
	}
	add := func(namespace string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) {
		for _, s := range subjects {
			if s.Kind != rbacv1.ServiceAccountKind || s.Namespace != "netladder-system" {
				continue
			}
			for _, p := range rbac.Expand(namespace, rulesOf(t, namespace, ref)) {
				out = append(out, rbac.Grant{User: "system:serviceaccount:" + s.Namespace + ":" + s.Name, Role: ref.Name, Permission: p})
			}
		}
	}
	for i := range clusterWide.Items {
		add("", clusterWide.Items[i].RoleRef, clusterWide.Items[i].Subjects)
	}
	for i := range local.Items {
		add(local.Items[i].Namespace, local.Items[i].RoleRef, local.Items[i].Subjects)
	}
	return out
}

func rulesOf(t *testing.T, namespace string, ref rbacv1.RoleRef) []rbacv1.PolicyRule {
	t.Helper()
	if ref.Kind == "ClusterRole" {
		role := &rbacv1.ClusterRole{}
		if err := kube.Get(t.Context(), client.ObjectKey{Name: ref.Name}, role); err != nil {
			t.Fatal(err)
		}
		return role.Rules
	}
	role := &rbacv1.Role{}
	if err := kube.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: ref.Name}, role); err != nil {
		t.Fatal(err)
	}
	return role.Rules
}

// metricsAreAskedFor by one who may and by one who is nobody.
func metricsAreAskedFor(t *testing.T) {
	ns := makeTemporaryNamespace(t, "scraper")
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "prometheus"}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: ns},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "netladder-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ns, Name: account.Name}},
	}
	make1(t, account)
	make1(t, binding)
	token := &authv1.TokenRequest{}
	if err := kube.SubResource("token").Create(t.Context(), account, token); err != nil {
		t.Fatal(err)
	}
	pods, err := podsOf(t.Context(), "controller")
	if err != nil || len(pods) == 0 {
		t.Fatalf("pods of the controller: %v, %v", pods, err)
	}
	leaders := 0
	for _, pod := range pods {
		if status, _ := controllerMetrics(t, pod, "nobody"); status == http.StatusOK {
			t.Error("anybody may read the controller's metrics")
		}
		status, text := controllerMetrics(t, pod, token.Status.Token)
		if status != http.StatusOK {
			t.Errorf("%s: %d\n%.300s", pod.Name, status, text)
		}
		leaders += strings.Count(text, "\nnetladder_controller_leader 1\n")
		if !strings.Contains(text, "\nnetladder_build_info{") {
			t.Errorf("%s does not say what it was built from", pod.Name)
		}
	}
	if leaders != 1 {
		t.Errorf("%d controllers say that they lead", leaders)
	}
}

func controllerMetrics(t *testing.T, pod *corev1.Pod, token string) (status int, text string) {
	t.Helper()
	address := net.JoinHostPort(pod.Status.PodIP, "8443")
	httpClient := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return dialOnNode(pod.Spec.NodeName, address)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // it made its certificate itself
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := httpClient.Do(req)
	if err != nil {
		t.Fatalf("scrape %s: %v", pod.Name, err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// anotherLeads after the leader's pod is deleted.
func anotherLeads(t *testing.T) {
	leader := func(ctx context.Context) (string, error) {
		lease := &coordinationv1.Lease{}
		if err := kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: controllerName}, lease); err != nil {
			return "", err
		}
		if lease.Spec.HolderIdentity == nil {
			return "", nil
		}
		name, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
		return name, nil
	}
	before, err := leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := kube.Delete(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: before}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "another leads", func(ctx context.Context) error {
		now, err := leader(ctx)
		if err == nil && (now == "" || now == before) {
			err = fmt.Errorf("%q leads", now)
		}
		return err
	})
	eventually(t, time.Minute, "Ready", ready(clusterNetwork))
}

func checkEnds(t *testing.T) {
	check := &v1alpha1.ConnectivityCheck{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: "passing-by", Annotations: map[string]string{v1alpha1.AnnotationTTL: "2s"},
	}}
	check.Spec.Paths = []v1alpha1.Path{{
		Name: "api", From: v1alpha1.Source{Probers: &v1alpha1.ProbersSource{}}, To: v1alpha1.Target{APIServer: &v1alpha1.APIServerTarget{}},
	}}
	make1(t, check)
	eventually(t, time.Minute, "the check ends", gone(client.ObjectKeyFromObject(check), &v1alpha1.ConnectivityCheck{}))
}

// assignmentOfNoNode is what is left of a node while the garbage collector is
// slow.
func assignmentOfNoNode(t *testing.T) {
	a := &v1alpha1.ProbeAssignment{ObjectMeta: metav1.ObjectMeta{Name: "nobody"}}
	make1(t, a)
	eventually(t, time.Minute, "it goes", gone(client.ObjectKeyFromObject(a), &v1alpha1.ProbeAssignment{}))
}

// podIsRefused by a quota, and the controller says why.
func podIsRefused(t *testing.T) {
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "no-more-pods"}}
	quota.Spec.Hard = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("1")}
	make1(t, quota)
	eventually(t, time.Minute, "the quota holds", func(ctx context.Context) error {
		if err := kube.Get(ctx, client.ObjectKeyFromObject(quota), quota); err != nil {
			return err
		}
		if len(quota.Status.Hard) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	pods, err := podsOf(t.Context(), "prober")
	if err != nil {
		t.Fatal(err)
	}
	if err := kube.Delete(t.Context(), pods[faultNode]); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "it is said why", func(ctx context.Context) error {
		events := &corev1.EventList{}
		if err := kube.List(ctx, events, client.InNamespace(namespace), client.MatchingFields{"reason": "PodsNotCreated"}); err != nil {
			return err
		}
		if len(events.Items) == 0 {
			return errors.New("no event PodsNotCreated")
		}
		return nil
	})
	if err := kube.Delete(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	// The DaemonSet's controller asks ever more rarely; a change makes it ask now.
	kubectl(t, "-n", namespace, "annotate", "--overwrite", "daemonset", v1alpha1.ProberName, "e2e.netladder.io/asked="+fmt.Sprint(time.Now().Unix()))
	calm(t)
}

// withoutCanary for a while.
func withoutCanary(t *testing.T) {
	deployment := &appsv1.Deployment{}
	if err := kube.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: controllerName}, deployment); err != nil {
		t.Fatal(err)
	}
	args := deployment.Spec.Template.Spec.Containers[0].Args
	set := func(ctx context.Context, args []string) error {
		patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": args}})
		if err != nil {
			return err
		}
		return kube.Patch(ctx, deployment, client.RawPatch(types.JSONPatchType, patch))
	}
	t.Cleanup(func() {
		if err := set(context.WithoutCancel(t.Context()), args); err != nil {
			t.Error(err)
		}
	})
	if err := set(t.Context(), append(append([]string{}, args...), "--canary=false")); err != nil {
		t.Fatal(err)
	}
	key := client.ObjectKey{Namespace: namespace, Name: v1alpha1.CanaryName}
	eventually(t, 2*time.Minute, "no canary pods", gone(key, &appsv1.DaemonSet{}))
	eventually(t, time.Minute, "nothing isolates them", gone(key, &networkingv1.NetworkPolicy{}))
	if err := set(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	eventually(t, 2*time.Minute, "canary pods", func(ctx context.Context) error {
		return kube.Get(ctx, key, &appsv1.DaemonSet{})
	})
	calm(t)
}

// gone is nil once an object does not exist.
func gone(key client.ObjectKey, object client.Object) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := kube.Get(ctx, key, object); !apierrors.IsNotFound(err) {
			return errors.Join(fmt.Errorf("%T %s is there", object, key), err)
		}
		return nil
	}
}

// make1 makes an object for the rest of the test.
func make1(t *testing.T, object client.Object) {
	t.Helper()
	if err := kube.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kube.Delete(context.WithoutCancel(t.Context()), object); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	})
}

// makeTemporaryNamespace makes one for the rest of the test.
func makeTemporaryNamespace(t *testing.T, prefix string) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix + "-"}}
	make1(t, ns)
	return ns.Name
}
