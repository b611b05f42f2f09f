// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rbac holds what ServiceAccounts may do against what they did: the
// rules of roles against the API server's audit log.
package rbac

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Permission is one verb on one resource.
type Permission struct {
	// Namespace that it is for; empty for all of the cluster.
	Namespace string
	// Group of the API, empty for the core, and Resource, as in
	// "probeassignments/status".
	Group, Resource string
	// Name of the only object that it is for; empty for all.
	Name string
	Verb string
}

// String is as in "patch apps/daemonsets netladder-echo in netladder-system".
func (p Permission) String() string {
	text := p.Verb + " " + strings.TrimPrefix(p.Group+"/"+p.Resource, "/")
	if p.Name != "" {
		text += " " + p.Name
	}
	if p.Namespace != "" {
		text += " in " + p.Namespace
	}
	return text
}

func (p Permission) compare(o Permission) int {
	return cmp.Or(cmp.Compare(p.Namespace, o.Namespace), cmp.Compare(p.Group, o.Group), cmp.Compare(p.Resource, o.Resource),
		cmp.Compare(p.Name, o.Name), cmp.Compare(p.Verb, o.Verb))
}

// Expand is what rules permit in a namespace, or everywhere if it is empty,
// sorted, each once. URLs that are no resources are left out.
func Expand(namespace string, rules []rbacv1.PolicyRule) []Permission {
	var out []Permission
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, name := range names {
					for _, verb := range rule.Verbs {
						out = append(out, Permission{Namespace: namespace, Group: group, Resource: resource, Name: name, Verb: verb})
					}
				}
			}
		}
	}
	slices.SortFunc(out, Permission.compare)
	return slices.Compact(out)
}

// Request is what a user asked for.
type Request struct {
	// User as in "system:serviceaccount:netladder-system:netladder-prober".
	User string
	// Permission that the request needs, with the name and the namespace of its
	// object.
	Permission
	// Denied is true if no role permits it.
	Denied bool
}

// event is what is read of an event of the audit log.
type event struct {
	Stage string `json:"stage"`
	Verb  string `json:"verb"`
	User  struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef *struct {
		APIGroup    string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	Annotations map[string]string `json:"annotations"`
}

// maxEvent is how long a line of an audit log may be, in bytes.
const maxEvent = 1 << 20

// ReadAudit reads the audit log of an API server and says what was asked for how
// often. A request that is made known to be under way and then to be done counts
// twice.
func ReadAudit(log io.Reader) (map[Request]int, error) {
	out := map[Request]int{}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, maxEvent)
	for n := 1; lines.Scan(); n++ {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("line %d of the audit log: %w", n, err)
		}
		if e.ObjectRef == nil {
			continue
		}
		r := Request{User: e.User.Username, Denied: e.Annotations["authorization.k8s.io/decision"] == "forbid"}
		r.Permission = Permission{
			Namespace: e.ObjectRef.Namespace, Group: e.ObjectRef.APIGroup, Resource: e.ObjectRef.Resource, Name: e.ObjectRef.Name, Verb: e.Verb,
		}
		if e.ObjectRef.Subresource != "" {
			r.Resource += "/" + e.ObjectRef.Subresource
		}
		out[r]++
		// An apply that makes an object is a patch that needs to create, too.
		if r.Verb == "patch" && e.ResponseStatus.Code == 201 {
			r.Verb = "create"
			out[r]++
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return out, nil
}

// Grant is a permission of a user, by a role.
type Grant struct {
	User, Role string
	Permission
}

// permits is true if the grant is needed for a request, or would do for it.
func (g *Grant) permits(r *Request) bool {
	return g.User == r.User && g.Group == r.Group && g.Resource == r.Resource && g.Verb == r.Verb &&
		(g.Name == "" || g.Name == r.Name) && (g.Namespace == "" || g.Namespace == r.Namespace)
}

// Exception is what a run need not show.
type Exception struct {
	// Role whose permissions it is about; not needed where something was denied.
	Role string
	// Permission, of which what is empty stands for anything.
	Permission
	// Reason in words.
	Reason string
}

func (x *Exception) about(p Permission) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return is(x.Namespace, p.Namespace) && is(x.Group, p.Group) && is(x.Resource, p.Resource) && is(x.Name, p.Name) && is(x.Verb, p.Verb)
}

// Denied are the requests that no role permitted and that are not meant to be
// denied, sorted.
func Denied(requests map[Request]int, meant []Exception) []string {
	var out []string
	for r, n := range requests {
		if r.Denied && !slices.ContainsFunc(meant, func(x Exception) bool { return x.about(r.Permission) }) {
			out = append(out, fmt.Sprintf("%s was denied %s, %d times", r.User, r.Permission, n))
		}
	}
	slices.Sort(out)
	return out
}

// Unused are the grants that nobody used and that have no exception, and the
// exceptions that are not needed, sorted.
func Unused(grants []Grant, requests map[Request]int, exceptions []Exception) []string {
	var out []string
	needed := make([]bool, len(exceptions))
	for i := range grants {
		g := &grants[i]
		used := false
		for r := range requests {
			if !r.Denied && g.permits(&r) {
				used = true
				break
			}
		}
		if used {
			continue
		}
		at := slices.IndexFunc(exceptions, func(x Exception) bool { return (x.Role == "" || x.Role == g.Role) && x.about(g.Permission) })
		if at < 0 {
			out = append(out, fmt.Sprintf("%s may %s by role %s, and never did", g.User, g.Permission, g.Role))
			continue
		}
		needed[at] = true
	}
	for i := range exceptions {
		if !needed[i] {
			out = append(out, fmt.Sprintf("the exception of role %s to %s is not needed: it was used, or is not granted", exceptions[i].Role, exceptions[i].Permission))
		}
	}
	slices.Sort(out)
	return out
}
