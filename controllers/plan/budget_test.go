// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
)

func TestLevelSharesABudget(t *testing.T) {
	for name, c := range map[string]struct {
		asked  []rate
		budget rate
		want   []int
	}{
		"nothing":                     {nil, 10, nil},
		"all fit":                     {[]rate{1, 4, 5}, 10, []int{0, 0, 0}},
		"one too many":                {[]rate{11}, 10, []int{1}},
		"twice":                       {[]rate{20}, 10, []int{1}},
		"a little over twice":         {[]rate{21}, 10, []int{2}},
		"four alike":                  {[]rate{10, 10, 10, 10}, 10, []int{2, 2, 2, 2}},
		"the small one keeps its own": {[]rate{1, 1000}, 10, []int{0, 7}},
		"two small ones":              {[]rate{2, 2, 6, 6}, 10, []int{0, 0, 1, 1}},
		"no rate at all":              {[]rate{0, 0, 20}, 10, []int{0, 0, 1}},
		"more than an hour":           {[]rate{1 << 40}, 1, []int{maxStretch}},
	} {
		t.Run(name, func(t *testing.T) {
			l := levelOf(slices.Clone(c.asked), c.budget)
			for i, r := range c.asked {
				if got := l.stretch(r); got != c.want[i] {
					t.Errorf("%d of %v is stretched by %d, want %d", r, c.asked, got, c.want[i])
				}
			}
		})
	}
}

func TestLevelStaysWithinTheBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		asked := rapid.SliceOfN(rapid.Map(rapid.Int64Range(0, 1000), func(n int64) rate { return rate(n) }), 1, 20).Draw(t, "asked")
		budget := rate(rapid.Int64Range(20, 500).Draw(t, "budget"))
		l := levelOf(slices.Clone(asked), budget)
		sum, fair := rate(0), budget/rate(len(asked))
		for _, r := range asked {
			by := l.stretch(r)
			sum += r >> by
			if r <= fair && by > 0 {
				t.Fatalf("%d of %v is less than an equal share of %d, and stretched", r, asked, budget)
			}
			if by > 0 && r>>(by-1) < fair {
				t.Fatalf("%d of %v is stretched by %d to less than half of an equal share of %d", r, asked, by, budget)
			}
		}
		if sum > budget {
			t.Fatalf("%v is stretched to %d, more than %d", asked, sum, budget)
		}
	})
}

func TestStretchedInterval(t *testing.T) {
	for _, c := range []struct {
		interval time.Duration
		by       int
		want     time.Duration
	}{
		{time.Second, 0, time.Second},
		{time.Second, 2, 4 * time.Second},
		{time.Second, maxStretch, time.Hour},
		{10 * time.Minute, 3, time.Hour},
		{time.Hour, 1, time.Hour},
		{2 * time.Hour, 3, 2 * time.Hour},
	} {
		if got := stretched(c.interval, c.by); got != c.want {
			t.Errorf("%s by %d is %s, want %s", c.interval, c.by, got, c.want)
		}
	}
}

// every sets the interval of a check.
func every(c *v1alpha1.ConnectivityCheck, d time.Duration) *v1alpha1.ConnectivityCheck {
	c.Spec.Interval = metav1.Duration{Duration: d}
	return c
}

// intervals of the groups whose key begins so, by node and key.
func intervals(in Input, prefix string) map[string]time.Duration {
	out := map[string]time.Duration{}
	for _, a := range Build(in) {
		for i := range a.Spec.Groups {
			if g := &a.Spec.Groups[i]; strings.HasPrefix(g.Key, prefix) {
				out[a.Node+" "+g.Key] = g.Interval.Duration
			}
		}
	}
	return out
}

// all checks that every group has this interval, and that there are some.
func all(t *testing.T, got map[string]time.Duration, want time.Duration) {
	t.Helper()
	if len(got) == 0 {
		t.Error("there is no such group")
	}
	for key, d := range got {
		if d != want {
			t.Errorf("%s every %s, want %s", key, d, want)
		}
	}
}

func TestTargetBudget(t *testing.T) {
	host := func(ip, name string) v1alpha1.Target {
		return v1alpha1.Target{Host: &v1alpha1.HostTarget{IP: ip, Hostname: name, Port: 443}}
	}
	apiServer := func(in *Input, endpoints int) v1alpha1.Target {
		to := in.addService("kubernetes", false, endpoints)
		s := in.Cluster.Services[types.NamespacedName{Namespace: "shop", Name: "kubernetes"}]
		s.Key.Namespace, s.Ports[0].Name = "default", "https"
		in.Cluster.Services[s.Key] = s
		to.Service.Namespace = "default"
		return to
	}
	for name, c := range map[string]struct {
		nodes int
		to    func(in *Input) v1alpha1.Target
		want  time.Duration
	}{
		"a host, just full":          {10, func(*Input) v1alpha1.Target { return host("198.51.100.1", "") }, 10 * time.Second},
		"one more does not matter":   {11, func(*Input) v1alpha1.Target { return host("198.51.100.1", "") }, 10 * time.Second},
		"a host, over":               {12, func(*Input) v1alpha1.Target { return host("198.51.100.1", "") }, 20 * time.Second},
		"a hostname, over":           {12, func(*Input) v1alpha1.Target { return host("", "example.com") }, 20 * time.Second},
		"an address of each node":    {99, func(*Input) v1alpha1.Target { return host("169.254.169.254", "") }, 10 * time.Second},
		"a Service without endpoint": {40, func(in *Input) v1alpha1.Target { return in.addService("web", false, 0) }, 40 * time.Second},
		"a Service of one":           {40, func(in *Input) v1alpha1.Target { return in.addService("web", false, 1) }, 40 * time.Second},
		"a Service of three":         {40, func(in *Input) v1alpha1.Target { return in.addService("web", false, 3) }, 10 * time.Second},
		"three endpoints":            {40, func(in *Input) v1alpha1.Target { return in.addService("db", true, 3) }, 40 * time.Second},
		"many endpoints":             {40, func(in *Input) v1alpha1.Target { return in.addService("db", true, 60) }, 10 * time.Second},
		"DNS":                        {300, func(*Input) v1alpha1.Target { return dnsOf("example.com") }, 10 * time.Second},
		"the API server":             {300, func(in *Input) v1alpha1.Target { return apiServer(in, 1) }, 10 * time.Second},
		"API servers, over":          {2400, func(in *Input) v1alpha1.Target { return apiServer(in, 2) }, 20 * time.Second},
		"to.apiServer": {2400, func(in *Input) v1alpha1.Target {
			apiServer(in, 2)
			return v1alpha1.Target{APIServer: &v1alpha1.APIServerTarget{}}
		}, 20 * time.Second},
		"a mesh": {99, func(*Input) v1alpha1.Target { return meshOf(v1alpha1.MeshScopeAny) }, 10 * time.Second},
		"Netladder's own": {99, func(in *Input) v1alpha1.Target {
			key := types.NamespacedName{Namespace: home, Name: "netladder-echo"}
			in.Cluster.Services[key] = &Service{Key: key, ClusterIPs: []netip.Addr{netip.MustParseAddr("10.96.0.5")}, Ports: []ServicePort{{Port: 80}}}
			return v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Namespace: home, Name: key.Name, Port: intstr.FromInt32(80)}}
		}, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			in := fixture(c.nodes)
			in.addCheck("check", c.to(&in), "")
			all(t, intervals(in, ""), c.want)
			r := resolveAll(in.Checks, in.Cluster, in.Settings, in.Now)[0]
			if s := r.Paths[0].Stretched; (s != nil) != (c.want > 10*time.Second) || s != nil && (s.Interval != c.want || s.Why == "") {
				t.Errorf("stretched %+v, want an interval of %s", s, c.want)
			}
		})
	}
}

// Whoever asks for much is slowed, and nobody else; and what is said of it
// tells nothing of anybody else.
func TestNobodySlowsOthersDown(t *testing.T) {
	in := fixture(4)
	to := in.addService("inventory", false, 1)
	in.addCheck("modest", to, "1")
	greedy := every(in.addCheck("greedy", to, ""), time.Second)
	all(t, intervals(in, home+"/modest/"), 10*time.Second)
	all(t, intervals(in, home+"/greedy/"), 4*time.Second)

	alone := in
	alone.Checks = []*v1alpha1.ConnectivityCheck{greedy}
	with := resolveAll(in.Checks, in.Cluster, in.Settings, in.Now)[0].Paths[0].Stretched
	without := resolveAll(alone.Checks, in.Cluster, in.Settings, in.Now)[0].Paths[0].Stretched
	if *with != *without {
		t.Errorf("with others %+v, alone %+v", with, without)
	}
	if want := "Service shop/inventory port 80 may get 1 probe per second from all checks together"; with.Why != want {
		t.Errorf("%q, want %q", with.Why, want)
	}
}

// A Deny path is slowed as a whole: what proves it has its own part in what
// the target gets.
func TestBudgetHoldsForProofs(t *testing.T) {
	in := full(3)
	in.addPod("shop", "web", "web", 0)
	in.addPod("shop", "db", "db", 1)
	c := every(in.addPath("shop", "check", fromPods("web"), toPods("db", 5432), v1alpha1.ExpectDeny), time.Second)
	all(t, intervals(in, "shop/check/"), time.Second) // the application does not see who looks at it
	c.Spec.Paths[0].To.Pods.Protocol = v1alpha1.ProtocolUDP
	got := intervals(in, "shop/check/")
	if len(got) != 3 {
		t.Errorf("%d groups, want the main one, Wire and Listener: %v", len(got), got)
	}
	all(t, got, 2*time.Second) // a datagram from afar and one from its own node
}

func TestStretchedCoverage(t *testing.T) {
	in := fixture(40)
	in.addCheck("still", in.addService("few", true, 3), "")
	every(in.addCheck("quick", in.addService("many", true, 100), ""), time.Second)
	every(in.addCheck("slow", in.addService("other", true, 100), ""), time.Minute)
	in.Settings.Budgets.Target = 0.25
	for _, r := range resolveAll(in.Checks, in.Cluster, in.Settings, in.Now) {
		p := r.Paths[0]
		var full time.Duration
		if p.Coverage.FullAfter != nil {
			full = p.Coverage.FullAfter.Duration
		}
		switch r.Check.Name {
		case "still": // all three in each round
			if p.Stretched == nil || full != p.Stretched.Interval {
				t.Errorf("still: full after %s, stretched %+v", full, p.Stretched)
			}
		case "quick", "slow":
			if s := p.Groups[0].spread.schedule; p.Stretched != nil && (full > 0) != (s.length >= minEpoch(3, p.Stretched.Interval)) {
				t.Errorf("%s: full after %s in epochs of %s, stretched %+v", r.Check.Name, full, s.length, p.Stretched)
			}
		}
	}
}

func TestNamespaceAndNodeBudget(t *testing.T) {
	node := func(b Budgets, rates ...float64) (out []time.Duration) {
		spec := &v1alpha1.ProbeAssignmentSpec{}
		for i, r := range rates {
			namespace := []string{"shop", home, "bank"}[i%3]
			spec.Groups = append(spec.Groups, v1alpha1.ProbeGroup{
				Key: fmt.Sprintf("%s/check/path-%d/DNS", namespace, i), Kind: v1alpha1.ProbeDNS,
				Interval: metav1.Duration{Duration: time.Duration(float64(time.Second) / r)},
			})
		}
		a := assigner{budgets: b, home: home}
		a.slow(spec)
		for i := range spec.Groups {
			out = append(out, spec.Groups[i].Interval.Duration)
		}
		return out
	}
	s := time.Second
	for name, c := range map[string]struct {
		budgets Budgets
		rates   []float64
		want    []time.Duration
	}{
		"all fit":                     {Budgets{}, []float64{1, 1, 1}, []time.Duration{s, s, s}},
		"a tenant over":               {Budgets{Namespace: 0.5}, []float64{1, 0.1, 0.2}, []time.Duration{2 * s, 10 * s, 5 * s}},
		"tenants over, each alone":    {Budgets{Namespace: 0.5}, []float64{1, 1, 1}, []time.Duration{2 * s, s, 2 * s}},
		"tenants over together":       {Budgets{Namespace: 0.5}, []float64{1, 0.1, 0.1, 1}, []time.Duration{4 * s, 10 * s, 10 * s, 4 * s}},
		"the node over":               {Budgets{Node: 1}, []float64{1, 1, 0.1}, []time.Duration{2 * s, 2 * s, 10 * s}},
		"the node over, after tenant": {Budgets{Namespace: 0.25, Node: 0.5}, []float64{1, 1, 0.1}, []time.Duration{8 * s, 8 * s, 10 * s}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := node(c.budgets, c.rates...); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// Paths of several groups are slowed as a whole.
func TestNodeBudgetHoldsForAPath(t *testing.T) {
	in := fixture(3)
	c := every(in.addCheck("mesh", meshOf(v1alpha1.MeshScopeAny), ""), time.Second)
	c.Spec.Paths[0].To.Mesh.Protocols = []v1alpha1.MeshProtocol{"TCP", "UDP", "ICMP"}
	in.Settings.Budgets.Node = 4.5 // of 9
	all(t, intervals(in, ""), 2*time.Second)
	if got := Build(in)[0].Spec; ProbeRate(&got) > 4.5 {
		t.Errorf("%v probes per second", ProbeRate(&got))
	}
}

// A change that leaves everybody's interval as it was touches nobody else.
func TestBudgetsTouchOnlyWhoIsSlowed(t *testing.T) {
	in := fixture(8)
	to := in.addService("web", false, 4)
	in.addCheck("first", to, "")
	in.addCheck("other", in.addService("other", false, 4), "")
	e := in.engine()
	second := in.addCheck("second", to, "")
	e.SetCheck(second)
	if d := e.TakeDirty(); len(d.Checks) != 1 {
		t.Errorf("within the budget %v were told", d.Checks)
	}
	e.SetCheck(every(second.DeepCopy(), time.Second))
	if d := e.TakeDirty(); len(d.Checks) != 1 {
		t.Errorf("only the second asks for more than its share, %v were told", d.Checks)
	}
	if s := e.Resolved(types.NamespacedName{Namespace: home, Name: "second"}).Paths[0].Stretched; s == nil || s.Interval != 4*time.Second {
		t.Errorf("the second is stretched %+v", s)
	}
	// Half of the endpoints, and the second has to be slower still.
	web := in.Cluster.Services[types.NamespacedName{Namespace: "shop", Name: "web"}]
	less := withoutEndpoint(withoutEndpoint(web, 0), 0)
	e.SetService(less)
	if d := e.TakeDirty(); len(d.Checks) != 1 || len(d.Nodes) != 8 {
		t.Errorf("with half of the endpoints %v were told, on %v", d.Checks, d.Nodes)
	}
	e.DeleteCheck(types.NamespacedName{Namespace: home, Name: "second"})
	e.TakeDirty()
	if n := len(e.ledger.accounts); n != 2 {
		t.Errorf("%d accounts are left, want 2", n)
	}
}

// Whoever goes, or asks for less, makes room for others.
func TestBudgetsGiveBack(t *testing.T) {
	in := fixture(8)
	to := in.addService("web", false, 1)
	first, second := in.addCheck("first", to, ""), every(in.addCheck("second", to, ""), 5*time.Second)
	e := in.engine()
	interval := func() time.Duration {
		s := e.Resolved(types.NamespacedName{Namespace: home, Name: "first"}).Paths[0].Stretched
		if s == nil {
			return DefaultInterval
		}
		return s.Interval
	}
	if got := interval(); got != 20*time.Second {
		t.Errorf("beside the second the first is tested every %s", got)
	}
	e.TakeDirty()
	e.DeleteCheck(types.NamespacedName{Namespace: home, Name: "second"})
	if d := e.TakeDirty(); interval() != DefaultInterval || len(d.Nodes) != 8 || len(d.Checks) != 2 {
		t.Errorf("without the second the first is tested every %s, dirty %v", interval(), d)
	}
	e.SetCheck(second)
	if d := e.TakeDirty(); interval() != 20*time.Second || len(d.Checks) != 2 {
		t.Errorf("with the second again every %s, dirty %v", interval(), d)
	}
	e.SetCheck(every(second.DeepCopy(), time.Hour))
	if d := e.TakeDirty(); interval() != DefaultInterval || len(d.Checks) != 2 {
		t.Errorf("beside a slow one every %s, dirty %v", interval(), d)
	}
	e.DeleteCheck(types.NamespacedName{Namespace: first.Namespace, Name: first.Name})
	e.DeleteCheck(types.NamespacedName{Namespace: home, Name: "second"})
	e.TakeDirty()
	if n := len(e.ledger.accounts) + len(e.ledger.demands); n != 0 {
		t.Errorf("%d accounts and demands are left", n)
	}
}
