// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Generator makes up clusters, policies and connections. The same seed and
// number give the same cluster. Names, labels, ports and addresses are drawn
// from small pools, so that chance meets about as often as it misses.
type Generator struct {
	rand *rand.Rand
	// names is true for clusters whose policies are mostly about named ports, and
	// blocks for those that are mostly about ipBlocks: chance alone meets them too
	// rarely.
	names, blocks bool
}

// NewGenerator for one cluster.
func NewGenerator(seed, number uint64) *Generator {
	g := &Generator{rand: rand.New(rand.NewPCG(seed, number))}
	switch kind := g.rand.IntN(10); {
	case kind < 3:
		g.names = true
	case kind < 5:
		g.blocks = true
	}
	return g
}

const nodes = 3

func namespaceNames() []string { return []string{"mon", "pay", "shop"} }

// labelPool are the labels of pods: few keys, for policies are to meet them.
func labelPool() map[string][]string {
	return map[string][]string{"app": {"web", "api", "db"}, "role": {"front", "back"}, "tier": {"1", "2"}}
}

func namespaceLabelPool() map[string][]string {
	return map[string][]string{"team": {"a", "b"}, "env": {"prod", "dev"}}
}

// portNumbers that are dialled and that policies name.
func portNumbers() []int32 { return []int32{53, 80, 8080, 8081, 8443, 9090} }

// namedPorts: the same name has several numbers, and some two protocols. Sidecars
// alone have the name proxy.
func namedPorts() map[string][]int32 {
	return map[string][]int32{"http": {80, 8080, 8443}, "metrics": {8081, 9090}, "dns": {53, 8053}, "proxy": {15001, 15006}}
}

func outside4() []string {
	return []string{"192.0.2.1", "192.0.2.77", "192.0.2.200", "198.51.100.9", "169.254.169.254"}
}

func outside6() []string {
	return []string{"2001:db8::1", "2001:db8::77", "2001:db8:0:1::5", "2001:db8:ff::9", "64:ff9b::1"}
}

func (g *Generator) chance(percent int) bool { return g.rand.IntN(100) < percent }

func one[T any](g *Generator, of []T) T { return of[g.rand.IntN(len(of))] }

// Cluster with its policies.
func (g *Generator) Cluster() Cluster {
	var c Cluster
	for _, name := range namespaceNames() {
		labels := g.labels(namespaceLabelPool(), 70)
		labels[corev1.LabelMetadataName] = name
		c.Namespaces = append(c.Namespaces, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
		for i := range 2 + g.rand.IntN(2) {
			c.Pods = append(c.Pods, g.pod(name, fmt.Sprintf("pod-%d", i), len(c.Pods)+1))
		}
		for i := range one(g, []int{0, 1, 1, 1, 2, 2, 3}) {
			c.Policies = append(c.Policies, g.policy(name, fmt.Sprintf("policy-%d", i)))
		}
	}
	return c
}

// labels of a pool, each there with a chance.
func (g *Generator) labels(pool map[string][]string, percent int) map[string]string {
	out := map[string]string{}
	for _, key := range sortedKeys(pool) {
		if g.chance(percent) {
			out[key] = one(g, pool[key])
		}
	}
	return out
}

func (g *Generator) pod(namespace, name string, number int) *corev1.Pod {
	node := 1 + g.rand.IntN(nodes)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: types.UID(fmt.Sprintf("uid-%d", number)), Labels: g.labels(labelPool(), 75),
		},
		Spec:   corev1.PodSpec{NodeName: nodeName(node), HostNetwork: g.chance(4), Containers: g.containers()},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	pod.Spec.InitContainers = g.initContainers()
	v4, v6 := fmt.Sprintf("10.0.%d.%d", node, number), fmt.Sprintf("fd00:10:%d::%d", node, number)
	if pod.Spec.HostNetwork {
		v4, v6 = nodeAddress(node, false), nodeAddress(node, true)
	}
	addresses := []string{v4, v6}
	switch family := g.rand.IntN(10); {
	case family < 1:
		addresses = addresses[:1]
	case family < 2:
		addresses = addresses[1:]
	case family < 4:
		addresses = []string{v6, v4}
	}
	for _, address := range addresses {
		pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: address})
	}
	pod.Status.PodIP = addresses[0]
	return pod
}

func nodeName(number int) string { return fmt.Sprintf("node%d", number) }

func nodeAddress(number int, six bool) string {
	if six {
		return fmt.Sprintf("fd00:172::%d", number)
	}
	return fmt.Sprintf("172.18.0.%d", number)
}

// containers with named ports. A name may have several protocols, in containers
// of their own, and then several numbers.
func (g *Generator) containers() []corev1.Container {
	var out []corev1.Container
	for i := range 1 + g.rand.IntN(2) {
		out = append(out, corev1.Container{Name: fmt.Sprintf("c%d", i), Ports: g.containerPorts(75, "dns", "http", "metrics")})
	}
	return out
}

func (g *Generator) containerPorts(percent int, names ...string) []corev1.ContainerPort {
	var out []corev1.ContainerPort
	for _, name := range names {
		if !g.chance(percent) {
			continue
		}
		protocol := corev1.ProtocolTCP
		if name == "dns" && g.chance(70) || g.chance(10) {
			protocol = corev1.ProtocolUDP
		}
		out = append(out, corev1.ContainerPort{Name: name, ContainerPort: one(g, namedPorts()[name]), Protocol: protocol})
	}
	return out
}

// initContainers: sidecars, which keep running, and some that end before the
// pod runs, whose ports are none of the pod's.
func (g *Generator) initContainers() []corev1.Container {
	var out []corev1.Container
	if g.names || g.chance(50) {
		out = append(out, corev1.Container{
			Name: "sidecar", Ports: g.containerPorts(80, "http", "proxy"), RestartPolicy: new(corev1.ContainerRestartPolicyAlways),
		})
	}
	if g.chance(15) {
		out = append(out, corev1.Container{Name: "setup", Ports: g.containerPorts(70, "http", "metrics")})
	}
	return out
}
