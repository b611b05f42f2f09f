// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Policy-agent enforces NetworkPolicies on one node of the lab. The kernel queues the first packets of new flows from and to
// pods; the policy engine of kube-network-policies, which is not ours, judges them. A denied packet goes on with a mark: what
// becomes of it (drop, reject) is up to the rules behind the queue, which the lab sets.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

type options struct {
	kubeconfig string
	node       string
	queue      uint
	mark       uint
}

func main() {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig of a user who may list and watch pods, namespaces and NetworkPolicies")
	flag.StringVar(&o.node, "node", "", "name of this node")
	flag.UintVar(&o.queue, "queue", 0, "number of the netfilter queue")
	flag.UintVar(&o.mark, "mark", 0, "bit of the packet mark that says denied")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "policy-agent:", err)
		os.Exit(1)
	}
}

// run binds the queue only when everything is known: until then the kernel passes what it would queue.
func run(ctx context.Context, o options) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	judge, err := newJudge(ctx, client, o.node)
	if err != nil {
		return err
	}
	klog.InfoS("Enforcing", "node", o.node, "queue", o.queue)
	return serve(ctx, judge, o)
}
