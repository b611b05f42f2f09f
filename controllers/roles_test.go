// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/builders"
)

// confine makes the controller run with no more than its roles, of which edit
// may take something away, and what config/full or config/audit adds.
func (h *cluster) confine(edit func(*rbacv1.Role)) {
	h.t.Helper()
	clusterRole, role := &rbacv1.ClusterRole{}, &rbacv1.Role{}
	manifest(h.t, clusterRole, 0, "rbac", "role.yaml")
	manifest(h.t, role, 1, "rbac", "role.yaml")
	edit(role)
	user := rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "controller-of-" + h.namespace}
	clusterRole.Name, role.Namespace = h.namespace, h.namespace
	h.create(clusterRole)
	h.t.Cleanup(func() { h.delete(clusterRole) })
	h.create(role)
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: h.namespace}, Subjects: []rbacv1.Subject{user},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole.Name},
	}
	h.create(binding)
	h.t.Cleanup(func() { h.delete(binding) })
	h.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, Name: "controller"}, Subjects: []rbacv1.Subject{user},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
	})
	h.options.RESTConfig = rest.CopyConfig(apiServer)
	h.options.RESTConfig.Impersonate = rest.ImpersonationConfig{UserName: user.Name}
	h.options.LeaderElection = true
	never := func(rbacv1.PolicyRule) bool { return false }
	switch {
	case h.options.Level == v1alpha1.LevelFull:
		h.grant("full", never)
	case h.options.audits():
		h.grant("audit", never)
	}
}

// grant a confined controller what the role of a folder of config/ adds, but for
// some rules.
func (h *cluster) grant(dir string, without func(rbacv1.PolicyRule) bool) {
	h.t.Helper()
	role := &rbacv1.ClusterRole{}
	manifest(h.t, role, 0, dir, "rbac.yaml")
	role.Name, role.Rules = h.namespace+"-"+dir, slices.DeleteFunc(role.Rules, without)
	h.create(role)
	h.t.Cleanup(func() { h.delete(role) })
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "controller-of-" + h.namespace}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
	}
	h.create(binding)
	h.t.Cleanup(func() { h.delete(binding) })
}

// TestRolesSuffice runs the controller with no more than its roles.
func TestRolesSuffice(t *testing.T) {
	for _, level := range []v1alpha1.Level{v1alpha1.LevelRestricted, v1alpha1.LevelFull} {
		t.Run(string(level), func(t *testing.T) {
			h := newCluster(t)
			h.options.Level = level
			h.confine(func(*rbacv1.Role) {})
			h.createNode("node0", 0)
			h.create(builders.MakeCheck("dns").Namespace(h.namespace).Path("dns", builders.ToDNS("kubernetes.default.svc.cluster.local.")).Obj())
			h.start()
			h.installed()
			h.assigned([]string{"node0"}, 1)
			h.report("node0")
			h.readyIs("dns", metav1.ConditionTrue, "")
			h.hasEvent("dns", "PathPassing")
			h.eventually("the fleet", func() error {
				return h.client.Get(t.Context(), client.ObjectKey{Namespace: h.namespace, Name: v1alpha1.FleetName}, &corev1.ConfigMap{})
			})
			h.lacksPods(2)
			h.refusePod("quota exceeded")
			h.deploymentEvent(eventPodsNotCreated, "quota exceeded")
			h.delete(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node0"}})
			h.eventually("the assignment to go", func() error {
				if _, err := h.assignment("node0"); !apierrors.IsNotFound(err) {
					return errors.Join(errors.New("still there"), err)
				}
				return nil
			})
		})
	}
}

// TestRefusedInstallIsTold: what the API server does not let the controller
// install is said on its Deployment, once.
func TestRefusedInstallIsTold(t *testing.T) {
	h := newCluster(t)
	h.confine(func(role *rbacv1.Role) {
		for i := range role.Rules {
			if slices.Contains(role.Rules[i].Resources, "daemonsets") {
				role.Rules[i].Verbs = []string{"get", "list", "watch"}
			}
		}
	})
	h.create(builders.MakeCheck("mesh").Namespace(h.namespace).Path("cross", builders.ToMesh(v1alpha1.MeshScopeAny)).Obj())
	h.start()
	h.deploymentEvent(eventInstallFailed, "netladder-prober cannot be installed")
	h.deploymentEvent(eventInstallFailed, "netladder-echo cannot be installed")
	h.deploymentEvent(eventInstallFailed, "netladder-canary cannot be installed")
	h.readyMessage("mesh", "netladder-echo cannot be installed")
	h.pass(patience)
	if events := h.events("netladder-controller"); len(events) != 3 {
		t.Errorf("%d events about three refusals, though tried again and again", len(events))
	}
	for _, e := range h.events("netladder-controller") {
		if !strings.Contains(e.Note, "forbidden") {
			t.Errorf("the event does not say why: %s", e.Note)
		}
	}
}

// TestLevelFullWithoutItsRole: the controller says what is missing, goes on as at
// level Restricted, and begins anew when the role comes.
func TestLevelFullWithoutItsRole(t *testing.T) {
	h := newCluster(t)
	h.confine(func(*rbacv1.Role) {})
	h.options.Level = v1alpha1.LevelFull
	h.createNode("node0", 0)
	h.create(builders.MakeCheck("dns").Namespace(h.namespace).Path("dns", builders.ToDNS("kubernetes.default.svc.cluster.local.")).Obj())
	h.start()
	const advice = "kubectl apply -k config/full (pods is forbidden"
	h.deploymentEvent(eventRoleMissing, advice)
	h.readyMessage("dns", advice)
	h.installed()
	h.assigned([]string{"node0"}, 1)
	if d, err := h.daemonSet(v1alpha1.ProberName); err != nil || d.Spec.Template.Spec.HostPID {
		t.Errorf("probers of level Full without the role (%v)", err)
	}
	full := &rbacv1.ClusterRole{}
	manifest(t, full, 0, "full", "rbac.yaml")
	var role rbacv1.ClusterRole
	must(t, h.client.Get(t.Context(), client.ObjectKey{Name: h.namespace}, &role))
	role.Rules = append(role.Rules, full.Rules...)
	must(t, h.client.Update(t.Context(), &role))
	if err := h.ends(); !errors.Is(err, errPermitted) {
		t.Fatalf("the role came, and the controller ended with: %v", err)
	}
	if n := len(h.events("netladder-controller")); n != 1 {
		t.Errorf("%d events, want one", n)
	}
	h.start()
	h.eventually("probers of level Full", func() error {
		d, err := h.daemonSet(v1alpha1.ProberName)
		if err == nil && !d.Spec.Template.Spec.HostPID {
			err = errors.New("of level Restricted")
		}
		return err
	})
	h.readyMessage("dns", "")
}

// ends waits until the controller ended by itself.
func (h *cluster) ends() error {
	h.t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-h.done:
			h.cancel()
			h.cancel = nil
			return err
		case <-deadline:
			h.t.Fatal("the controller did not end")
		case <-tick.C:
			h.clock.Step(100 * time.Millisecond)
		}
	}
}
