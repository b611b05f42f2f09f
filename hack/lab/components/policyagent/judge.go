// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/api"
	"sigs.k8s.io/kube-network-policies/pkg/network"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
	"sigs.k8s.io/kube-network-policies/pkg/podinfo"
)

// maxRemembered bounds how many flows the log remembers.
const maxRemembered = 4096

// judge decides about packets. It is for one goroutine.
type judge struct {
	engine *networkpolicy.PolicyEngine
	pods   api.PodInfoProvider
	denied map[flow]bool // the last verdict, so that the log has changes only
}

// flow is what the verdict depends on, but for the policies.
type flow struct {
	source, target string
	protocol       corev1.Protocol
	port           int
}

// newJudge returns when all pods, namespaces and policies are known.
func newJudge(ctx context.Context, client kubernetes.Interface, node string) (*judge, error) {
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(withoutManagedFields))
	pods, namespaces := factory.Core().V1().Pods(), factory.Core().V1().Namespaces()
	policies := factory.Networking().V1().NetworkPolicies()
	byIP, err := podinfo.NewInformerResolver(pods.Informer())
	if err != nil {
		return nil, fmt.Errorf("indexing pods by address: %w", err)
	}
	provider := podinfo.NewInformerProvider(pods, namespaces, nil, []podinfo.IPResolver{byIP})
	evaluator := onNode{StandardNetworkPolicy: networkpolicy.NewStandardNetworkPolicy(node, namespaces, pods, policies), node: node}

	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return nil, fmt.Errorf("listing %s: %w", kind, context.Cause(ctx))
		}
	}
	return &judge{
		engine: networkpolicy.NewPolicyEngine(provider, []api.PolicyEvaluator{evaluator}),
		pods:   provider, denied: map[flow]bool{},
	}, nil
}

// allows tells whether a packet, from its IP header on, may pass. What cannot be read may not.
func (j *judge) allows(ctx context.Context, content []byte) (bool, error) {
	packet, err := network.ParsePacket(content)
	if err != nil {
		return false, fmt.Errorf("reading a packet: %w", err)
	}
	return j.allowsPacket(ctx, packet)
}

func (j *judge) allowsPacket(ctx context.Context, packet network.Packet) (bool, error) {
	if packet.SrcIP.Equal(packet.DstIP) {
		return true, nil // no policy keeps a pod from itself
	}
	allowed, err := j.engine.EvaluatePacket(ctx, &packet)
	if err != nil {
		return false, fmt.Errorf("judging %s to %s: %w", packet.SrcIP, packet.DstIP, err)
	}
	j.log(packet, allowed)
	return allowed, nil
}

// log writes what is denied for the first time and what is so no more.
func (j *judge) log(packet network.Packet, allowed bool) {
	key := flow{source: packet.SrcIP.String(), target: packet.DstIP.String(), protocol: packet.Proto, port: packet.DstPort}
	if j.denied[key] == !allowed {
		return
	}
	verdict := "Allowed again"
	if allowed {
		delete(j.denied, key)
	} else {
		if len(j.denied) >= maxRemembered {
			clear(j.denied)
		}
		j.denied[key] = true
		verdict = "Denied"
	}
	klog.InfoS(verdict, "from", j.name(packet.SrcIP), "to", j.name(packet.DstIP), "protocol", packet.Proto, "port", packet.DstPort)
}

func (j *judge) name(ip net.IP) string {
	pod, found := j.pods.GetPodInfoByIP(ip.String())
	if !found {
		return ip.String()
	}
	return pod.Namespace.Name + "/" + pod.Name
}

// onNode lets a node decide about its own pods only, as nodes do: egress where the source is, ingress where the target is.
// The engine alone would judge both directions wherever it sees a packet.
type onNode struct {
	*networkpolicy.StandardNetworkPolicy
	node string
}

func (o onNode) EvaluateIngress(ctx context.Context, packet *network.Packet, source, target *api.PodInfo) (api.Verdict, error) {
	if target == nil || target.Node.Name != o.node {
		return api.VerdictNext, nil
	}
	return o.StandardNetworkPolicy.EvaluateIngress(ctx, packet, source, target)
}

func (o onNode) EvaluateEgress(ctx context.Context, packet *network.Packet, source, target *api.PodInfo) (api.Verdict, error) {
	if source == nil || source.Node.Name != o.node {
		return api.VerdictNext, nil
	}
	return o.StandardNetworkPolicy.EvaluateEgress(ctx, packet, source, target)
}

func withoutManagedFields(object any) (any, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, fmt.Errorf("reading an object's metadata: %w", err)
	}
	accessor.SetManagedFields(nil)
	return object, nil
}
