// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
)

// declaredVerdicts reads the constants of verdict.go, so that none can be
// forgotten here.
func declaredVerdicts(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "verdict.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	return values
}

func TestVerdictsAreTheAPIs(t *testing.T) {
	ours := declaredVerdicts(t)
	var theirs []string
	for _, v := range v1alpha1.Verdicts() {
		theirs = append(theirs, string(v))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("verdicts of the API (-) and of probes (+): %s", diff)
	}
}

func TestKindsAreTheAPIs(t *testing.T) {
	api := []probe.Kind{
		probe.Kind(v1alpha1.ProbeMeshTCP), probe.Kind(v1alpha1.ProbeMeshUDP), probe.Kind(v1alpha1.ProbeMeshICMP),
		probe.Kind(v1alpha1.ProbeTCP), probe.Kind(v1alpha1.ProbeHTTP), probe.Kind(v1alpha1.ProbeDNS),
		probe.Kind(v1alpha1.ProbeTCPHalfOpen), probe.Kind(v1alpha1.ProbeUDP), probe.Kind(v1alpha1.ProbeICMP),
		probe.Kind(v1alpha1.ProbeTLS), probe.Kind(v1alpha1.ProbeGRPC),
		probe.Kind(v1alpha1.ProbeTunnel), probe.Kind(v1alpha1.ProbeMTU), probe.Kind(v1alpha1.ProbeIPIP),
	}
	ours := slices.Sorted(maps.Keys(probe.Kinds()))
	slices.Sort(api)
	if diff := cmp.Diff(api, ours); diff != "" {
		t.Errorf("kinds of the API (-) and of probes (+): %s", diff)
	}
}
