// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/kube-network-policies/pkg/api"
	"sigs.k8s.io/kube-network-policies/pkg/network"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
	"sigs.k8s.io/kube-network-policies/pkg/podinfo"

	"github.com/netladder/netladder/controllers/policy"
)

// engine is the one of kube-network-policies. Its informers never run: what
// they would have learnt is put into their stores.
type engine struct {
	standard                   *networkpolicy.StandardNetworkPolicy
	provider                   *podinfo.InformerProvider
	pods, namespaces, policies cache.Indexer
}

func newEngine() (*engine, error) {
	factory := informers.NewSharedInformerFactory(nil, 0)
	pods, namespaces := factory.Core().V1().Pods(), factory.Core().V1().Namespaces()
	policies := factory.Networking().V1().NetworkPolicies()
	byIP, err := podinfo.NewInformerResolver(pods.Informer())
	if err != nil {
		return nil, fmt.Errorf("indexing pods by address: %w", err)
	}
	return &engine{
		standard:   networkpolicy.NewStandardNetworkPolicy("", namespaces, pods, policies),
		provider:   podinfo.NewInformerProvider(pods, namespaces, nil, []podinfo.IPResolver{byIP}),
		pods:       pods.Informer().GetIndexer(),
		namespaces: namespaces.Informer().GetIndexer(),
		policies:   policies.Informer().GetIndexer(),
	}, nil
}

// load replaces all that the engine knows.
func (e *engine) load(c Cluster) error {
	if err := replace(e.namespaces, c.Namespaces); err != nil {
		return err
	}
	if err := replace(e.pods, c.Pods); err != nil {
		return err
	}
	return replace(e.policies, c.Policies)
}

func replace[T any](store cache.Indexer, objects []T) error {
	list := make([]any, 0, len(objects))
	for _, object := range objects {
		list = append(list, object)
	}
	if err := store.Replace(list, ""); err != nil {
		return fmt.Errorf("filling the engine: %w", err)
	}
	return nil
}

// allows tells what the engine says in one direction.
func (e *engine) allows(ctx context.Context, f Flow, direction policy.Direction) (bool, error) {
	packet := &network.Packet{
		Family: corev1.IPv4Protocol, SrcIP: f.Source.IP.AsSlice(), DstIP: f.Destination.IP.AsSlice(),
		Proto: f.Protocol, SrcPort: 40000, DstPort: int(f.Port),
	}
	if f.Source.IP.Is6() {
		packet.Family = corev1.IPv6Protocol
	}
	source, destination := e.pod(f.Source), e.pod(f.Destination)
	judge := e.standard.EvaluateEgress
	if direction == policy.Ingress {
		judge = e.standard.EvaluateIngress
	}
	verdict, err := judge(ctx, packet, source, destination)
	if err != nil {
		return false, fmt.Errorf("asking the engine: %w", err)
	}
	return verdict != api.VerdictDeny, nil
}

// pod as the engine sees it: found by its address. Pods on the host network
// have that of their node; the engine is told which one is meant.
func (e *engine) pod(end End) *api.PodInfo {
	if end.Pod == nil {
		return nil
	}
	if !end.Pod.Spec.HostNetwork {
		info, _ := e.provider.GetPodInfoByIP(end.IP.String())
		return info
	}
	pod, labels := end.Pod, map[string]string(nil)
	if object, found, err := e.pods.GetByKey(pod.Namespace + "/" + pod.Name); err == nil && found {
		pod = object.(*corev1.Pod)
	}
	if object, found, err := e.namespaces.GetByKey(pod.Namespace); err == nil && found {
		labels = object.(*corev1.Namespace).Labels
	}
	return api.NewPodInfo(pod, labels, nil, "")
}
