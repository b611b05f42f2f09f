// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
)

const log = `{"stage":"ResponseComplete","verb":"patch","user":{"username":"c"},"objectRef":{"resource":"configmaps","namespace":"n","name":"fleet","apiVersion":"v1"},"responseStatus":{"code":201},"annotations":{"authorization.k8s.io/decision":"allow"}}
{"stage":"ResponseStarted","verb":"watch","user":{"username":"c"},"objectRef":{"resource":"daemonsets","namespace":"n","apiGroup":"apps","apiVersion":"v1"},"responseStatus":{"code":200},"annotations":{"authorization.k8s.io/decision":"allow"}}
{"stage":"ResponseComplete","verb":"watch","user":{"username":"c"},"objectRef":{"resource":"daemonsets","namespace":"n","apiGroup":"apps","apiVersion":"v1"},"responseStatus":{"code":200},"annotations":{"authorization.k8s.io/decision":"allow"}}
{"stage":"ResponseComplete","verb":"patch","user":{"username":"p"},"objectRef":{"resource":"probeassignments","name":"node1","apiGroup":"netladder.io","apiVersion":"v1alpha1","subresource":"status"},"responseStatus":{"code":200},"annotations":{"authorization.k8s.io/decision":"allow"}}
{"stage":"ResponseComplete","verb":"list","user":{"username":"p"},"objectRef":{"resource":"pods","apiVersion":"v1"},"responseStatus":{"code":403},"annotations":{"authorization.k8s.io/decision":"forbid"}}
{"stage":"ResponseComplete","verb":"get","user":{"username":"p"},"requestURI":"/readyz","responseStatus":{"code":200}}
`

func asked(t *testing.T) map[Request]int {
	t.Helper()
	requests, err := ReadAudit(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	return requests
}

func TestReadAudit(t *testing.T) {
	fleet := Permission{Namespace: "n", Resource: "configmaps", Name: "fleet", Verb: "patch"}
	made := fleet
	made.Verb = "create"
	want := map[Request]int{
		{User: "c", Permission: fleet}: 1,
		{User: "c", Permission: made}:  1,
		{User: "c", Permission: Permission{Namespace: "n", Group: "apps", Resource: "daemonsets", Verb: "watch"}}:                     2,
		{User: "p", Permission: Permission{Group: "netladder.io", Resource: "probeassignments/status", Name: "node1", Verb: "patch"}}: 1,
		{User: "p", Permission: Permission{Resource: "pods", Verb: "list"}, Denied: true}:                                             1,
	}
	if d := cmp.Diff(want, asked(t)); d != "" {
		t.Error(d)
	}
	if _, err := ReadAudit(strings.NewReader("{}\nnonsense\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("nonsense: %v", err)
	}
}

// grants of the log's users.
func grants() []Grant {
	var out []Grant
	add := func(user, namespace string, rules ...rbacv1.PolicyRule) {
		for _, p := range Expand(namespace, rules) {
			out = append(out, Grant{User: user, Role: "role-of-" + user, Permission: p})
		}
	}
	add("c", "n",
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"fleet", "other"}, Verbs: []string{"patch"}},
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"daemonsets"}, Verbs: []string{"list", "watch"}})
	add("c", "m", rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"daemonsets"}, Verbs: []string{"watch"}})
	add("p", "", rbacv1.PolicyRule{APIGroups: []string{"netladder.io"}, Resources: []string{"probeassignments", "probeassignments/status"}, Verbs: []string{"patch"}})
	add("q", "", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create"}})
	return out
}

func TestUnused(t *testing.T) {
	list := Exception{Role: "role-of-c", Permission: Permission{Resource: "daemonsets", Verb: "list"}, Reason: "not here"}
	idle := Exception{Permission: Permission{Resource: "configmaps", Name: "fleet"}, Reason: "it was used"}
	want := []string{
		"c may patch configmaps other in n by role role-of-c, and never did",
		"c may watch apps/daemonsets in m by role role-of-c, and never did",
		"p may patch netladder.io/probeassignments by role role-of-p, and never did",
		"q may create configmaps by role role-of-q, and never did",
		"the exception of role  to  configmaps fleet is not needed: it was used, or is not granted",
	}
	if d := cmp.Diff(want, Unused(grants(), asked(t), []Exception{list, idle})); d != "" {
		t.Error(d)
	}
	if got := Unused(grants(), asked(t), nil); len(got) != 5 || !strings.Contains(strings.Join(got, "\n"), "c may list apps/daemonsets in n") {
		t.Errorf("without exceptions: %q", got)
	}
}

func TestDenied(t *testing.T) {
	if d := cmp.Diff([]string{"p was denied list pods, 1 times"}, Denied(asked(t), nil)); d != "" {
		t.Error(d)
	}
	if got := Denied(asked(t), []Exception{{Permission: Permission{Resource: "pods", Verb: "list"}}}); len(got) > 0 {
		t.Errorf("what is meant: %q", got)
	}
	if got := Denied(asked(t), []Exception{{Permission: Permission{Resource: "pods", Verb: "get"}}}); len(got) != 1 {
		t.Errorf("what is not: %q", got)
	}
}
