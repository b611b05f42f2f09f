// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/netladder/netladder/test/envtest"
	"github.com/netladder/netladder/test/rbac"
)

// granted are the permissions of the roles of config/ that Netladder's
// ServiceAccounts have, one a line.
func granted(t *testing.T) []string {
	t.Helper()
	own := &rbacv1.Role{}
	read(t, own, 1, "rbac", "role.yaml")
	all := lines("netladder-controller", rbac.Expand("namespace", own.Rules))
	for name, file := range map[string]struct {
		document int
		path     []string
	}{
		"netladder-controller":      {0, []string{"rbac", "role.yaml"}},
		"netladder-controller-full": {0, []string{"full", "rbac.yaml"}},
		"netladder-prober":          {1, []string{"rbac", "prober.yaml"}},
	} {
		role := &rbacv1.ClusterRole{}
		read(t, role, file.document, file.path...)
		if role.Name != name {
			t.Fatalf("%v has %s, want %s", file.path, role.Name, name)
		}
		all = append(all, lines(name, rbac.Expand("", role.Rules))...)
	}
	slices.Sort(all)
	return all
}

func lines(role string, permissions []rbac.Permission) (out []string) {
	for _, p := range permissions {
		out = append(out, role+": "+p.String())
	}
	return out
}

var quoted = regexp.MustCompile("`([^`]+)`")

// words are what a cell has in backquotes.
func words(cell string) (out []string) {
	for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out
}

// TestPermissionsAreExplained: docs/security.md says of each permission what it
// is for.
func TestPermissionsAreExplained(t *testing.T) {
	page, err := envtest.Path("docs", "security.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n### Every permission, and what it is for\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var explained []string
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) != 8 || len(words(cells[1])) != 1 {
			continue
		}
		if strings.TrimSpace(cells[6]) == "" {
			t.Errorf("it is not said what this is for: %s", line)
		}
		rule := rbacv1.PolicyRule{ResourceNames: words(cells[4]), Verbs: words(cells[5])}
		for _, resource := range words(cells[3]) {
			if strings.Contains(strings.Split(resource, "/")[0], ".") || strings.HasPrefix(resource, "apps/") {
				group, name, _ := strings.Cut(resource, "/")
				rule.APIGroups, resource = []string{group}, name
			} else {
				rule.APIGroups = []string{""}
			}
			rule.Resources = append(rule.Resources, resource)
		}
		namespace := strings.TrimSpace(cells[2])
		if namespace == "cluster" {
			namespace = ""
		}
		explained = append(explained, lines(words(cells[1])[0], rbac.Expand(namespace, []rbacv1.PolicyRule{rule}))...)
	}
	slices.Sort(explained)
	if d := cmp.Diff(granted(t), explained); d != "" {
		t.Errorf("docs/security.md differs from config/ (-config +docs):\n%s", d)
	}
}

// TestAuditTakesWhatLevelFullHas: what is proven of the one role is true of the
// other.
func TestAuditTakesWhatLevelFullHas(t *testing.T) {
	full, audit := &rbacv1.ClusterRole{}, &rbacv1.ClusterRole{}
	read(t, full, 0, "full", "rbac.yaml")
	read(t, audit, 0, "audit", "rbac.yaml")
	if d := cmp.Diff(full.Rules, audit.Rules); d != "" {
		t.Errorf("config/audit and config/full differ:\n%s", d)
	}
}
