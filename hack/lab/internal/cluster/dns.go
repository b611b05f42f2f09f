package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/hack/lab/internal/layout"
)

const (
	dnsNamespace  = "kube-system"
	dnsDeployment = "coredns"
	dnsLabel      = "k8s-app=kube-dns"
	dnsLimit      = 90 * time.Second
)

// applyDNS installs CoreDNS, one replica on each of the chosen nodes.
func (c *Cluster) applyDNS(ctx context.Context) error {
	manifest, err := render("coredns.yaml", map[string]any{
		"Nodes": c.state.DNSNodes, "Image": CoreDNSImage, "ServiceIP": layout.DNSServiceIP,
	})
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, c.Binary("kubectl"), "--kubeconfig", c.Kubeconfig(), "apply", "--server-side", "--force-conflicts", "-f", "-")
	// Elsewhere kubectl keeps its cache of discovery in the home directory: leave nothing there.
	cmd.Env = append(os.Environ(), "KUBECACHEDIR="+c.lab.Path("kubectl-cache"))
	cmd.Stdin = bytes.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("installing CoreDNS: %w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}

// waitForDNS returns when as many replicas are ready as there should be.
func (c *Cluster) waitForDNS(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	return waitFor(ctx, "CoreDNS ready (see `lab kubectl -n kube-system get pods`)", dnsLimit, func(ctx context.Context) error {
		deployment, err := client.AppsV1().Deployments(dnsNamespace).Get(ctx, dnsDeployment, metav1.GetOptions{})
		if err != nil {
			return err
		}
		want, status := len(c.state.DNSNodes), deployment.Status
		if status.ObservedGeneration != deployment.Generation || int(status.UpdatedReplicas) != want || int(status.ReadyReplicas) != want {
			return fmt.Errorf("%d of %d replicas are ready", status.ReadyReplicas, want)
		}
		return nil
	})
}

// dnsPodIPs lists the addresses of the CoreDNS pods.
func (c *Cluster) dnsPodIPs(ctx context.Context) ([]string, error) {
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	pods, err := client.CoreV1().Pods(dnsNamespace).List(ctx, metav1.ListOptions{LabelSelector: dnsLabel})
	if err != nil {
		return nil, fmt.Errorf("listing the CoreDNS pods: %w", err)
	}
	var ips []string
	for _, pod := range pods.Items {
		if pod.Status.PodIP != "" {
			ips = append(ips, pod.Status.PodIP)
		}
	}
	return ips, nil
}
