// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/controllers/plan"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// rank of verdicts: no rule that is added may lower it.
func rank(v Verdict) int {
	return slices.Index([]Verdict{Deny, ImplementationDefined, Allow}, v)
}

// evaluate and hold the result against its documentation.
func evaluate(t *rapid.T, x *Index, f Flow) Result {
	t.Helper()
	r := x.Evaluate(f)
	checkDecision(t, r.Egress)
	checkDecision(t, r.Ingress)
	if rank(r.Verdict) != min(rank(r.Egress.Verdict), rank(r.Ingress.Verdict)) {
		t.Fatalf("%s of %s and %s", r.Verdict, r.Egress.Verdict, r.Ingress.Verdict)
	}
	return r
}

func same(t *rapid.T, what string, want, got any) {
	t.Helper()
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		a, b := c.index(t), c.index(t)
		for _, f := range c.drawFlows(t, 8) {
			same(t, "result", evaluate(t, a, f), evaluate(t, b, f))
		}
	})
}

// TestPodsNeedNotBeIndexed: a Flow's own pods count.
func TestPodsNeedNotBeIndexed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		full := c.index(t)
		bare := &cluster{namespaces: c.namespaces, policies: c.policies}
		empty := bare.index(t)
		for _, f := range c.drawFlows(t, 8) {
			want := evaluate(t, full, f)
			same(t, "without pods", want, evaluate(t, empty, f))
			for _, p := range []*Peer{&f.Source, &f.Destination} {
				if p.Pod != nil {
					other := *p.Pod
					p.Pod = &other
				}
			}
			same(t, "copies of pods", want, evaluate(t, full, f))
		}
	})
}

// TestRulesOnlyAdmit: a rule that is added to a policy lowers no verdict.
func TestRulesOnlyAdmit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		if len(c.policies) == 0 {
			t.Skip("nothing to add to")
		}
		x := c.index(t)
		flows := c.drawFlows(t, 8)
		before := make([]Result, len(flows))
		for i, f := range flows {
			before[i] = evaluate(t, x, f)
		}
		keys := slices.SortedFunc(maps.Keys(c.policies), func(a, b types.NamespacedName) int { return cmp.Compare(a.String(), b.String()) })
		p := c.policies[rapid.SampledFrom(keys).Draw(t, "policy")].DeepCopy()
		p.Spec.PolicyTypes = nil
		if ingress, egress := directions(&c.policies[keyOf(p)].Spec); ingress {
			p.Spec.PolicyTypes = append(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress)
			p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: rapid.SliceOfN(genPeer, 0, 2).Draw(t, "from")})
			if egress {
				p.Spec.PolicyTypes = append(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
			}
		} else if egress {
			p.Spec.PolicyTypes = append(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
			p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: rapid.SliceOfN(genPeer, 0, 2).Draw(t, "to")})
		}
		x.SetPolicy(p)
		for i, f := range flows {
			if after := evaluate(t, x, f); rank(after.Verdict) < rank(before[i].Verdict) {
				t.Fatalf("%+v: from %s to %s by a rule more", f, before[i].Verdict, after.Verdict)
			}
		}
	})
}

// TestPoliciesOnlyIsolate: without policies all is allowed, and those of other
// namespaces change nothing at all.
func TestPoliciesOnlyIsolate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		x := c.index(t)
		flows := c.drawFlows(t, 8)
		before := make([]Result, len(flows))
		for i, f := range flows {
			before[i] = evaluate(t, x, f)
		}
		for _, p := range rapid.SliceOfN(genPolicyIn(rapid.Just("elsewhere")), 1, 3).Draw(t, "elsewhere") {
			x.SetPolicy(p)
		}
		for i, f := range flows {
			same(t, "policies elsewhere", before[i], evaluate(t, x, f))
		}
		for key := range c.policies {
			x.DeletePolicy(key)
		}
		for _, f := range flows {
			if r := evaluate(t, x, f); r.Verdict != Allow {
				t.Fatalf("no policies, and yet %+v", r)
			}
		}
	})
}

// TestIndexFollows: an index that has seen any changes is as one filled anew.
func TestIndexFollows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		x := c.index(t)
		t.Repeat(map[string]func(*rapid.T){
			"pod": func(t *rapid.T) {
				p := genPod.Draw(t, "pod")
				c.pods[p.UID] = p
				x.SetPod(p)
			},
			"pod moves to another name": func(t *rapid.T) {
				p := *genPod.Draw(t, "pod")
				p.UID = rapid.SampledFrom(sortedKeys(c.pods)).Draw(t, "uid")
				c.pods[p.UID] = &p
				x.SetPod(&p)
			},
			"no pod": func(t *rapid.T) {
				if len(c.pods) == 1 {
					t.Skip("keep one")
				}
				uid := rapid.SampledFrom(sortedKeys(c.pods)).Draw(t, "pod")
				delete(c.pods, uid)
				x.DeletePod(uid)
			},
			"policy": func(t *rapid.T) {
				p := genPolicyIn(genNamespace).Draw(t, "policy")
				c.policies[keyOf(p)] = p
				x.SetPolicy(p)
			},
			"no policy": func(t *rapid.T) {
				key := types.NamespacedName{Namespace: genNamespace.Draw(t, "namespace"), Name: genName.Draw(t, "policy")}
				delete(c.policies, key)
				x.DeletePolicy(key)
			},
			"namespace": func(t *rapid.T) {
				n := &plan.Namespace{Name: genNamespace.Draw(t, "namespace"), Labels: genLabels.Draw(t, "labels")}
				c.namespaces[n.Name] = n
				x.SetNamespace(n)
			},
			"no namespace": func(t *rapid.T) {
				n := genNamespace.Draw(t, "namespace")
				delete(c.namespaces, n)
				x.DeleteNamespace(n)
			},
			"": func(t *rapid.T) {
				fresh := c.index(t)
				sameIndex(t, fresh, x)
				for _, f := range c.drawFlows(t, 2) {
					same(t, "result", evaluate(t, fresh, f), evaluate(t, x, f))
				}
			},
		})
	})
}

func sameList[E comparable](t *rapid.T, what string, want, got []E) {
	t.Helper()
	if !slices.Equal(want, got) {
		t.Fatalf("%s: want %v, got %v", what, want, got)
	}
}

func sameIndex(t *rapid.T, want, got *Index) {
	t.Helper()
	sameList(t, "namespaces", want.Namespaces(), got.Namespaces())
	sameList(t, "spaces", sortedKeys(want.spaces), sortedKeys(got.spaces))
	sameList(t, "members", sortedKeys(want.pods), sortedKeys(got.pods))
	for namespace := range want.spaces {
		sameList(t, "pods", want.Pods(namespace), got.Pods(namespace))
		sameList(t, "policies", want.Policies(namespace), got.Policies(namespace))
		for _, p := range want.Policies(namespace) {
			sameList(t, "selected", want.Selected(keyOf(p)), got.Selected(keyOf(p)))
			if got.Policy(keyOf(p)) != p {
				t.Fatalf("policy %s is another", p.Name)
			}
		}
		for _, p := range want.Pods(namespace) {
			if got.Pod(p.UID) != p {
				t.Fatalf("pod %s is another", p.UID)
			}
			for _, d := range []Direction{Ingress, Egress} {
				sameList(t, "isolating", want.Isolating(p, d), got.Isolating(p, d))
			}
		}
	}
}

// TestReadersShareAnIndex: for the race detector, and that they agree.
func TestReadersShareAnIndex(t *testing.T) {
	w := newTown(t, "x/p: {ingress: [{from: [{podSelector: {}}]}]}", "x/q: {podSelector: {matchLabels: {pod: a}}}", "w/p: {policyTypes: [Egress]}")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for source, a := range w.pods {
				for destination, b := range w.pods {
					r := w.Evaluate(Flow{Source: Peer{Pod: a}, Destination: Peer{Pod: b}, Protocol: "TCP", Port: 80})
					denied := source != destination && (source[0] == 'w' || destination[0] == 'x' && source[0] != 'x')
					if (r.Verdict == Deny) != denied {
						t.Errorf("%s to %s: %+v", source, destination, r)
					}
				}
			}
			for _, namespace := range w.Namespaces() {
				w.Pods(namespace.Name)
				for _, p := range w.Policies(namespace.Name) {
					w.Selected(keyOf(p))
				}
			}
		})
	}
	wg.Wait()
}
