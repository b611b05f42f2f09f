// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/controllers/plan"
)

// benchCluster has 10,000 pods and 1,000 policies, spread evenly over
// namespaces. Each pod is one of ten applications. Each ten policies of a
// namespace are a default deny of both directions, egress to DNS, and eight that
// select an application and admit two others, one of them from elsewhere, a
// monitoring namespace and an address block.
type benchCluster struct {
	pods       []*plan.Pod
	namespaces []*plan.Namespace
	policies   []*networkingv1.NetworkPolicy
}

const (
	benchDeny = `{podSelector: {}, policyTypes: [Ingress, Egress]}`
	benchDNS  = `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {team: t0}}, podSelector: {matchLabels: {app: app-0}}}],
		ports: [{port: 53, protocol: UDP}, {port: 53}]}, {to: [{podSelector: {}}], ports: [{port: http}]}]}`
	benchApp = `{podSelector: {matchLabels: {app: app-%[1]d}}, policyTypes: [Ingress], ingress: [
		{from: [{podSelector: {matchLabels: {app: app-%[2]d}}}, {namespaceSelector: {matchLabels: {team: t%[3]d}}, podSelector: {matchLabels: {app: app-%[2]d}}}], ports: [{port: http}]},
		{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ns-0}}}], ports: [{port: 9090}]},
		{from: [{ipBlock: {cidr: 192.168.0.0/16, except: [192.168.7.0/24]}}], ports: [{port: 8000, endPort: 8100}]}]}`
)

func makeBenchCluster(b *testing.B, namespaces int) *benchCluster {
	b.Helper()
	c := &benchCluster{}
	for n := range namespaces {
		name := fmt.Sprintf("ns-%d", n)
		c.namespaces = append(c.namespaces, &plan.Namespace{Name: name, Labels: map[string]string{"kubernetes.io/metadata.name": name, "team": fmt.Sprintf("t%d", n%5)}})
	}
	for i := range 10_000 {
		c.pods = append(c.pods, c.pod(i, fmt.Sprintf("app-%d", i/namespaces%10)))
	}
	for i := range 1_000 {
		text := benchDeny
		switch k := i / namespaces % 10; k {
		case 0:
		case 1:
			text = benchDNS
		default:
			text = fmt.Sprintf(benchApp, k, (k+1)%10, i%5)
		}
		p := &networkingv1.NetworkPolicy{}
		p.Namespace, p.Name = c.namespaces[i%namespaces].Name, fmt.Sprintf("policy-%d", i)
		if err := yaml.UnmarshalStrict([]byte(text), &p.Spec); err != nil {
			b.Fatal(err)
		}
		c.policies = append(c.policies, p)
	}
	return c
}

func (c *benchCluster) pod(i int, app string) *plan.Pod {
	return &plan.Pod{
		UID:    types.UID(fmt.Sprintf("uid-%d", i)),
		Key:    types.NamespacedName{Namespace: c.namespaces[i%len(c.namespaces)].Name, Name: fmt.Sprintf("pod-%d", i)},
		Labels: map[string]string{"app": app, "pod-template-hash": fmt.Sprintf("%x", i%97), "version": "v1"},
		Node:   fmt.Sprintf("node-%d", i%300),
		IPs:    []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})},
		Ports:  []plan.ContainerPort{{Name: "http", Port: 8080, Protocol: "TCP"}, {Name: "metrics", Port: 9090, Protocol: "TCP"}},
	}
}

func (c *benchCluster) index() *Index {
	x := NewIndex()
	for _, n := range c.namespaces {
		x.SetNamespace(n)
	}
	for _, p := range c.pods {
		x.SetPod(p)
	}
	for _, p := range c.policies {
		x.SetPolicy(p)
	}
	return x
}

// flows of each kind, between pods at random: half of them within a namespace.
func (c *benchCluster) flows(x *Index) map[Verdict][]Flow {
	random := rand.New(rand.NewPCG(1, 2))
	out := map[Verdict][]Flow{}
	for i := 0; len(out[Allow]) < 500 || len(out[Deny]) < 500; i++ {
		f := Flow{
			Source:      Peer{Pod: c.pods[random.IntN(len(c.pods))]},
			Destination: Peer{Pod: c.pods[random.IntN(len(c.pods))]},
			Protocol:    "TCP", Port: 8080,
		}
		if i%2 == 0 {
			same := x.Pods(f.Source.Pod.Key.Namespace)
			f.Destination.Pod = same[random.IntN(len(same))]
		}
		if v := x.Evaluate(f).Verdict; len(out[v]) < 500 {
			out[v] = append(out[v], f)
		}
	}
	return out
}

// cpu reports the CPU time of an operation, which other work on the machine
// changes less than the time on the clock.
func cpu(b *testing.B) func() {
	b.Helper()
	b.ReportAllocs()
	used := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

func BenchmarkEvaluate(b *testing.B) {
	for _, namespaces := range []int{100, 1} {
		c := makeBenchCluster(b, namespaces)
		x := c.index()
		flows := c.flows(x)
		for _, v := range []Verdict{Allow, Deny} {
			b.Run(fmt.Sprintf("namespaces=%d/%s", namespaces, v), func(b *testing.B) {
				defer cpu(b)()
				for i := 0; b.Loop(); i++ {
					if x.Evaluate(flows[v][i%len(flows[v])]).Verdict != v {
						b.Fatal("another verdict")
					}
				}
			})
		}
	}
}

func BenchmarkIndex(b *testing.B) {
	for _, namespaces := range []int{100, 1} {
		c := makeBenchCluster(b, namespaces)
		x := c.index()
		run := func(name string, step func(i int)) {
			b.Run(fmt.Sprintf("namespaces=%d/%s", namespaces, name), func(b *testing.B) {
				defer cpu(b)()
				for i := 0; b.Loop(); i++ {
					step(i)
				}
			})
		}
		run("fill", func(int) { c.index() })
		moved := make([]*plan.Pod, len(c.pods))
		relabelled := make([][2]*plan.Pod, len(c.pods))
		for i, p := range c.pods {
			other := *p
			moved[i] = &other
			relabelled[i] = [2]*plan.Pod{c.pod(i, "app-3"), c.pod(i, "app-4")}
		}
		run("pod changes, not its labels", func(i int) { x.SetPod(moved[i%len(moved)]) })
		run("pod changes its labels", func(i int) { x.SetPod(relabelled[i%len(moved)][i/len(moved)%2]) })
		run("pod goes and comes", func(i int) {
			p := c.pods[i%len(c.pods)]
			x.DeletePod(p.UID)
			x.SetPod(p)
		})
		changed := make([]*networkingv1.NetworkPolicy, len(c.policies))
		for i, p := range c.policies {
			changed[i] = p.DeepCopy()
		}
		run("policy changes", func(i int) { x.SetPolicy(changed[i%len(changed)]) })
		run("policy goes and comes", func(i int) {
			p := c.policies[i%len(c.policies)]
			x.DeletePolicy(keyOf(p))
			x.SetPolicy(p)
		})
		run("policy changes, then a pod of the namespace is asked for", func(i int) {
			p := changed[i%len(changed)]
			x.SetPolicy(p)
			x.Isolating(x.spaces[p.Namespace].members[i%100].pod, Ingress)
		})
		run("namespace changes", func(i int) { x.SetNamespace(c.namespaces[i%len(c.namespaces)]) })
	}
}
