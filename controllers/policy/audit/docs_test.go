// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/envtest"
)

// TestFindingsAreDocumented runs the examples of docs/findings.md: each code has
// a policy that is found, the message that it gets, and what to write instead.
func TestFindingsAreDocumented(t *testing.T) {
	file, err := envtest.Path("docs", "findings.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, name := range []string{v1alpha1.AnnotationSilence, v1alpha1.LabelDiscloseTo, v1alpha1.LabelMonitoring, v1alpha1.AuditName, v1alpha1.ConditionClean, EventFindingResolved} {
		if !strings.Contains(page, name) {
			t.Errorf("the page does not tell of %s", name)
		}
	}
	headings := regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(page, -1)
	if len(headings) != len(v1alpha1.FindingCodes()) {
		t.Errorf("%d codes are documented of %d", len(headings), len(v1alpha1.FindingCodes()))
	}
	blocks := regexp.MustCompile("(?s)```(yaml|text)\n(.*?)```")
	for _, code := range v1alpha1.FindingCodes() {
		t.Run(string(code), func(t *testing.T) {
			_, section, found := strings.Cut(page, "\n### "+string(code)+"\n")
			if !found {
				t.Fatal("it has no section")
			}
			section, _, _ = strings.Cut(section, "\n##")
			examples := blocks.FindAllStringSubmatch(section, -1)
			if len(examples) != 3 || examples[0][1] != "yaml" || examples[1][1] != "text" || examples[2][1] != "yaml" {
				t.Fatalf("want a policy, its message and what to write instead, got %q", examples)
			}
			mistake := of(t, examples[0][2], code)
			if len(mistake) != 1 || mistake[0].Message != strings.TrimSpace(examples[1][2]) {
				t.Errorf("the mistake is found as %+v", mistake)
			}
			if instead := of(t, examples[2][2], code); len(instead) > 0 {
				t.Errorf("what to write instead is found as %+v", instead)
			}
		})
	}
}

// of are the findings of a code about a policy.
func of(t *testing.T, text string, code v1alpha1.FindingCode) []Finding {
	t.Helper()
	p := &networkingv1.NetworkPolicy{}
	if err := yaml.UnmarshalStrict([]byte(text), p); err != nil {
		t.Fatal(err)
	}
	if p.Namespace != "commerce" {
		t.Fatalf("the policy is of %q", p.Namespace)
	}
	x := indexOf(t, town(), map[string]map[string]string{"web": {"team": "web"}}, p)
	return slices.DeleteFunc(Audit(Input{Index: x, Namespace: "commerce"}).Findings, func(f Finding) bool { return f.Code != code })
}
