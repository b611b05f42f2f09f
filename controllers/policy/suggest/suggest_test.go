// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/controllers/plan"
)

type set = map[string]string

func labels(of set) *metav1.LabelSelector { return &metav1.LabelSelector{MatchLabels: of} }

func in(key string, values ...string) *metav1.LabelSelector {
	return expression(key, metav1.LabelSelectorOpIn, values...)
}

func expression(key string, op metav1.LabelSelectorOperator, values ...string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: op, Values: values}}}
}

func TestFor(t *testing.T) {
	shop := []set{
		{"app": "payment", "tier": "backend"}, {"app": "payment", "tier": "backend"}, {"app": "frontend", "tier": "web"},
		{"app.kubernetes.io/name": "prometheus"}, {"app": "worker-1"}, {"db": "orders"}, nil,
	}
	for name, c := range map[string]struct {
		selector *metav1.LabelSelector
		objects  []set
		want     string
	}{
		"two letters swapped":                {labels(set{"app": "paymnet"}), shop, "app=paymnet→app=payment (2)"},
		"a letter missing":                   {labels(set{"app": "payent"}), shop, "app=payent→app=payment (2)"},
		"upper case":                         {labels(set{"app": "Payment"}), shop, "app=Payment→app=payment (2)"},
		"a key misspelt":                     {labels(set{"teir": "backend"}), shop, "teir=backend→tier=backend (2)"},
		"another key for the name":           {labels(set{"app": "prometheus"}), shop, "app=prometheus→app.kubernetes.io/name=prometheus (1)"},
		"an expression":                      {in("app", "checkout", "frontent"), shop, "app=frontent→app=frontend (1)"},
		"a key alone":                        {expression("teir", metav1.LabelSelectorOpExists), shop, "teir→tier (3)"},
		"the other term decides":             {labels(set{"app": "frontent", "tier": "web"}), shop, "app=frontent→app=frontend (1)"},
		"each matches alone":                 {labels(set{"app": "payment", "tier": "backen"}), shop, "tier=backen→tier=backend (2)"},
		"both misspelt":                      {labels(set{"app": "paymnet", "tier": "bakend"}), shop, "app=paymnet→app=payment (0) tier=bakend→tier=backend (0)"},
		"matches":                            {labels(set{"app": "payment"}), shop, ""},
		"nothing near":                       {labels(set{"app": "inventory"}), shop, ""},
		"a number is no slip":                {labels(set{"app": "worker-2"}), shop, ""},
		"too short to tell":                  {labels(set{"app": "x"}), []set{{"app": "y"}}, ""},
		"key and value both off":             {labels(set{"ap": "paymnet"}), shop, ""},
		"an empty value":                     {labels(set{"app": ""}), shop, ""},
		"not in cannot be misspelt":          {expression("app", metav1.LabelSelectorOpNotIn, "paymnet"), shop, ""},
		"a key alone beside a value":         {&metav1.LabelSelector{MatchLabels: set{"app": "paymnet"}, MatchExpressions: expression("teir", metav1.LabelSelectorOpExists).MatchExpressions}, shop, "app=paymnet→app=payment (0) teir→tier (0)"},
		"empty selects everything":           {labels(nil), shop, ""},
		"nil":                                {nil, shop, ""},
		"no objects":                         {labels(set{"app": "payment"}), nil, ""},
		"the more objects":                   {labels(set{"app": "cart"}), []set{{"app": "card"}, {"app": "carts"}, {"app": "carts"}}, "app=cart→app=carts (2)"},
		"hashes are not what was meant":      {expression("pod-template-hsh", metav1.LabelSelectorOpExists), []set{{"pod-template-hash": "5d4f"}}, ""},
		"not in narrows who could be meant":  {&metav1.LabelSelector{MatchLabels: set{"app": "paymnet"}, MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"web"}}}}, shop, "app=paymnet→app=payment (2)"},
		"separators":                         {labels(set{"app": "order_validator"}), []set{{"app": "order-validator"}}, "app=order_validator→app=order-validator (1)"},
		"long texts are near to nothing":     {labels(set{"app": strings.Repeat("a", 400)}), []set{{"app": strings.Repeat("a", 399) + "b"}}, ""},
		"one that matches among the objects": {in("app", "paymnet", "frontend"), shop, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, s := range For(c.selector, slices.Values(c.objects)) {
				got = append(got, fmt.Sprintf("%s→%s (%d)", s.Wanted, s.Meant, s.Objects))
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("got %q, want %q", text, c.want)
			}
		})
	}
}

func TestQuestion(t *testing.T) {
	if got := Question(nil); got != "" {
		t.Errorf("got %q of nothing", got)
	}
	list := []Suggestion{{Meant: Label{"app", "payment"}}, {Meant: Label{Key: "tier"}}}
	if got := Question(list); got != "did you mean app=payment and tier?" {
		t.Errorf("got %q", got)
	}
}

func TestNear(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		edits int
		ok    bool
	}{
		{"abc", "abc", 0, true},
		{"abc", "acb", 1, true},
		{"abc", "abcd", 1, true},
		{"abc", "cba", 2, false},
		{"payment", "paymetn", 1, true},
		{"inventory", "inventroyes", 3, true},
		{"inventory", "catalogue", 0, false},
		{"a", "A", 1, true},
		{"a", "b", 0, false},
		{"v1", "v2", 0, false},
		{"", "x", 0, false},
	} {
		edits, ok := near(c.a, c.b)
		if ok != c.ok || ok && edits != c.edits {
			t.Errorf("near(%q, %q) is %d, %v", c.a, c.b, edits, ok)
		}
	}
}

// TestDistance: it is symmetric, never above the longer of both, and what few
// edits made is not further away than they were many.
func TestDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-c]{0,12}`)
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) || d > max(len(a), len(b)) || (d == 0) != (a == b) {
			t.Fatalf("distance(%q, %q) is %d", a, b, d)
		}
		edited, n := []byte(a), rapid.IntRange(0, 3).Draw(t, "edits")
		for range n {
			if len(edited) < 2 {
				break
			}
			i := rapid.IntRange(0, len(edited)-2).Draw(t, "at")
			switch rapid.IntRange(0, 2).Draw(t, "how") {
			case 0:
				edited = slices.Delete(edited, i, i+1)
			case 1:
				edited[i] = 'x'
			default:
				edited = slices.Insert(edited, i, 'y')
			}
		}
		if got := distance(a, string(edited)); got > n {
			t.Fatalf("distance(%q, %q) is %d after %d edits", a, edited, got, n)
		}
	})
}

// TestSuggestionsMatch: with what it suggests in place of what was wanted, the
// selector matches as many objects as it says.
func TestSuggestionsMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]string{"payment", "paymnet", "frontend", "frontent", "backend", "web", "wbe"})
		key := rapid.SampledFrom([]string{"app", "tier", "teir", "role", "name"})
		objects := rapid.SliceOfN(rapid.MapOfN(key, value, 0, 3), 0, 8).Draw(t, "objects")
		wanted := rapid.MapOfN(key, value, 1, 3).Draw(t, "wanted")
		for _, s := range For(labels(wanted), slices.Values(objects)) {
			if s.Objects == 0 {
				continue
			}
			instead := set{s.Meant.Key: s.Meant.Value}
			for k, v := range wanted {
				if k != s.Wanted.Key {
					instead[k] = v
				}
			}
			n := 0
			for _, o := range objects {
				matches := true
				for k, v := range instead {
					matches = matches && o[k] == v
				}
				if matches {
					n++
				}
			}
			if n != s.Objects {
				t.Fatalf("%v: %d match %v", s, n, instead)
			}
		}
	})
}

// BenchmarkFor is the worst case: all that may be looked at is looked at.
func BenchmarkFor(b *testing.B) {
	var pods []*plan.Pod
	for i := range 5000 {
		pods = append(pods, &plan.Pod{Labels: set{"app": strings.Repeat("x", 50) + fmt.Sprintf("%c%c%c", 'a'+i%26, 'a'+i/26%26, 'a'+i/676)}})
	}
	selector := labels(set{"app": strings.Repeat("x", 45) + "nothing"})
	for b.Loop() {
		For(selector, Pods(pods))
	}
}
