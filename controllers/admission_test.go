// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	apply "github.com/netladder/netladder/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/netladder/netladder/test/envtest"
)

// manifest reads the n-th document of a file of config/ into an object.
func manifest(t *testing.T, object client.Object, n int, path ...string) {
	t.Helper()
	file, err := envtest.Path(append([]string{"config"}, path...)...)
	must(t, err)
	text, err := os.ReadFile(file)
	must(t, err)
	documents := bytes.Split(text, []byte("\n---\n"))
	must(t, yaml.UnmarshalStrict(documents[n], object))
}

// as is a client of the probers' ServiceAccount of a namespace, whose token is
// bound to that node; empty is a token that is bound to none. Its user may do
// anything by RBAC, so that only the policy can say no.
func (h *cluster) as(node string) client.Client {
	h.t.Helper()
	config := rest.CopyConfig(apiServer)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + h.namespace + ":" + v1alpha1.ProberName}
	if node != "" {
		config.Impersonate.Extra = map[string][]string{"authentication.kubernetes.io/node-name": {node}}
	}
	c, err := client.New(config, client.Options{Scheme: h.client.Scheme()})
	must(h.t, err)
	return c
}

func TestProbersWriteOnlyTheirOwnReport(t *testing.T) {
	h := newCluster(t)
	policy, binding := &admissionv1.ValidatingAdmissionPolicy{}, &admissionv1.ValidatingAdmissionPolicyBinding{}
	manifest(t, policy, 0, "admission", "prober_writes.yaml")
	manifest(t, binding, 1, "admission", "prober_writes.yaml")
	h.create(policy)
	t.Cleanup(func() { h.delete(policy) })
	h.create(binding)
	t.Cleanup(func() { h.delete(binding) })
	grant := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: h.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: h.namespace, Name: v1alpha1.ProberName}},
	}
	h.create(grant)
	t.Cleanup(func() { h.delete(grant) })
	for _, name := range []string{"node1", "node2"} {
		h.create(&v1alpha1.ProbeAssignment{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}

	status := func(c client.Client, node string) error {
		return c.Status().Apply(t.Context(), apply.ProbeAssignment(node).WithStatus(
			apply.ProbeAssignmentStatus().WithPodUID("pod")), client.FieldOwner(v1alpha1.FieldOwnerProber), client.ForceOwnership)
	}
	put := func(c client.Client, node string) error {
		a, err := h.assignment(node)
		must(t, err)
		a.Status.PodUID = "another"
		return c.Status().Update(t.Context(), a)
	}
	object := func(name string) *v1alpha1.ProbeAssignment {
		return &v1alpha1.ProbeAssignment{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	own := h.as("node1")
	h.eventually("the policy to be in force", func() error {
		if err := status(own, "node2"); !apierrors.IsForbidden(err) {
			return errors.Join(errors.New("the report of another node was taken"), err)
		}
		return nil
	})
	for name, allowed := range map[string]func() error{
		"own status, applied": func() error { return status(own, "node1") },
		"own status, updated": func() error { return put(own, "node1") },
		"reading":             func() error { return own.Get(t.Context(), client.ObjectKey{Name: "node2"}, object("")) },
		"somebody else":       func() error { return status(h.client, "node2") },
	} {
		if err := allowed(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, denied := range map[string]struct {
		try     func() error
		message string
	}{
		"another node's status":          {func() error { return status(own, "node2") }, "bound to node node1, the ProbeAssignment is that of node node2"},
		"another node's status, updated": {func() error { return put(own, "node2") }, "only report for its own node"},
		"status without a node's token":  {func() error { return status(h.as(""), "node1") }, "bound to no node"},
		"own spec": {func() error {
			return own.Apply(t.Context(), apply.ProbeAssignment("node1").WithSpec(apply.ProbeAssignmentSpec().WithNodes(
				apply.AssignedNode().WithName("x").WithEchoIPs("10.0.0.1").WithEchoUID("u"))), client.FieldOwner("x"), client.ForceOwnership)
		}, "only update the status"},
		"own labels": {func() error {
			a, err := h.assignment("node1")
			must(t, err)
			a.Labels = map[string]string{"a": "b"}
			return own.Update(t.Context(), a)
		}, "only update the status"},
		"creating":     {func() error { return h.as("node3").Create(t.Context(), object("node3")) }, "only update the status"},
		"deleting":     {func() error { return own.Delete(t.Context(), object("node1")) }, "only update the status"},
		"deleting all": {func() error { return own.DeleteAllOf(t.Context(), object("")) }, "only update the status"},
	} {
		err := denied.try()
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), denied.message) {
			t.Errorf("%s: %v, want forbidden: %s", name, err, denied.message)
		}
	}
}
