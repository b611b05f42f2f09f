// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// faultNode runs no CoreDNS replica: hack/e2e.sh puts them on the others.
const faultNode = "node2"

// slack doubles the stated bounds: this machine has other work too. The bound
// itself is measured by `make measure-detection`.
const slack = 2

func TestOutOfTheBox(t *testing.T) {
	eventually(t, time.Minute, "cluster-network is Ready", ready(clusterNetwork))
	for _, path := range []string{pathSameNode, pathCrossNode, pathAPIServer, pathClusterIP, pathDNSUDP, pathDNSTCP, pathDNSReplicas} {
		eventually(t, time.Minute, "every pair of "+path+" passes, with its latency", func(ctx context.Context) error {
			check, err := getCheck(ctx, clusterNetwork)
			if err != nil {
				return err
			}
			p := pathOf(check, path)
			switch {
			case p == nil:
				return fmt.Errorf("the check has no such path")
			case p.Pairs.Passing == 0 || p.Pairs.Passing != p.Pairs.Total():
				return fmt.Errorf("pairs %+v", p.Pairs)
			case p.Latency == nil || p.Latency.P50.Duration <= 0 || p.Latency.P99.Duration < p.Latency.P50.Duration:
				return fmt.Errorf("latency %+v", p.Latency)
			}
			return nil
		})
	}
}

func TestOverlayBroken(t *testing.T) {
	calm(t)
	start := time.Now()
	heal := breakNetwork(t, "vxlan", faultNode)
	eventually(t, slack*detectionBound, "cross-node is Failing", inState(clusterNetwork, v1alpha1.StateFailing, pathCrossNode))
	onlyPairsWith(t, clusterNetwork, pathCrossNode, faultNode)
	// What breaks later than the first pair must blame nobody else either.
	holds(t, 3*interval, func() {
		onlyPairsWith(t, clusterNetwork, pathCrossNode, faultNode)
		othersPass(t, clusterNetwork, pathCrossNode, pathDNSUDP, pathDNSTCP, pathDNSReplicas)
	})
	eventSays(t, start, clusterNetwork, "PathFailing", pathCrossNode)
	heal()
	eventually(t, slack*detectionBound, "Ready again", ready(clusterNetwork))
	eventSays(t, start, clusterNetwork, "PathRecovered", pathCrossNode)
}

func TestDNSBroken(t *testing.T) {
	calm(t)
	heal := breakNetwork(t, "dns")
	eventually(t, slack*detectionBound, "DNS paths are Failing", inState(clusterNetwork, v1alpha1.StateFailing, pathDNSUDP, pathDNSTCP, pathDNSReplicas))
	holds(t, 3*interval, func() { othersPass(t, clusterNetwork, pathDNSUDP, pathDNSTCP, pathDNSReplicas) })
	heal()
	eventually(t, slack*detectionBound, "Ready again", ready(clusterNetwork))
}

func TestKubeProxyBroken(t *testing.T) {
	calm(t)
	// The controller may stand on the broken node. A ConfigMap that was made
	// after its pod reaches it within a minute and a half.
	eventually(t, 3*time.Minute, "the controller has the fleet file", func(ctx context.Context) error {
		pods, err := podsOf(ctx, "controller")
		for _, pod := range pods {
			if age := sinceReady(pod); age < 100*time.Second {
				return fmt.Errorf("%s is Ready for %s", pod.Name, age)
			}
		}
		return err
	})
	through := []string{pathAPIServer, pathClusterIP, pathDNSUDP, pathDNSTCP}
	heal := breakNetwork(t, "kubeproxy", faultNode)
	eventually(t, slack*detectionBound, "paths through ClusterIPs are Failing", inState(clusterNetwork, v1alpha1.StateFailing, through...))
	for _, path := range through {
		onlyPairsWith(t, clusterNetwork, path, faultNode)
	}
	othersPass(t, clusterNetwork, through...)

	// A prober that starts while ClusterIPs are broken finds the API server
	// all the same.
	pods, err := podsOf(t.Context(), "prober")
	if err != nil {
		t.Fatal(err)
	}
	old := pods[faultNode]
	if err := kube.Delete(t.Context(), old, client.GracePeriodSeconds(1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the restarted prober reports", func(ctx context.Context) error {
		assignment := &v1alpha1.ProbeAssignment{}
		if err := kube.Get(ctx, client.ObjectKey{Name: faultNode}, assignment); err != nil {
			return err
		}
		if uid := assignment.Status.PodUID; uid == "" || uid == string(old.UID) {
			return fmt.Errorf("last report is by pod %q", uid)
		}
		return nil
	})
	if err := inState(clusterNetwork, v1alpha1.StateFailing, through...)(t.Context()); err != nil {
		t.Errorf("after the prober's restart: %v", err)
	}
	heal()
	eventually(t, slack*detectionBound+10*time.Second, "Ready again", ready(clusterNetwork))
}

// holds repeats an assertion for a while, once a second.
func holds(t *testing.T, d time.Duration, assert func()) {
	t.Helper()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for end := time.Now().Add(d); time.Now().Before(end) && !t.Failed(); <-ticker.C {
		assert()
	}
}
