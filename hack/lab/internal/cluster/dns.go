package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
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

// applyManifests installs CoreDNS, one replica on each of the chosen nodes, and the rights of the policy agents.
func (c *Cluster) applyManifests(ctx context.Context) error {
	coreDNS, err := render("coredns.yaml", map[string]any{
		"Nodes": c.state.DNSNodes, "Image": CoreDNSImage, "ServiceIP": layout.DNSServiceIP,
	})
	if err != nil {
		return err
	}
	agent, err := render("policy-agent.yaml", map[string]string{"User": policyAgentUser})
	if err != nil {
		return err
	}
	manifest := slices.Concat(agent, []byte("---\n"), coreDNS)
	if out, err := c.kubectl(ctx, manifest, "apply", "--server-side", "--force-conflicts", "-f", "-"); err != nil {
		return fmt.Errorf("installing CoreDNS: %w\n%s", err, out)
	}
	return nil
}

// kubectl runs the lab's kubectl and returns what it printed.
func (c *Cluster) kubectl(ctx context.Context, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.Binary("kubectl"), append([]string{"--kubeconfig", c.Kubeconfig()}, args...)...)
	// Elsewhere kubectl keeps its cache of discovery in the home directory: leave nothing there.
	cmd.Env = append(os.Environ(), "KUBECACHEDIR="+c.lab.Path("kubectl-cache"))
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(bytes.TrimSpace(out)), err
}

// waitForDNS returns when as many replicas are ready as there should be.
func (c *Cluster) waitForDNS(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	err = waitFor(ctx, "CoreDNS ready", dnsLimit, func(ctx context.Context) error {
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
	if err == nil {
		return nil
	}
	pods, _ := c.kubectl(ctx, nil, "-n", dnsNamespace, "get", "pods", "-o", "wide", "-l", dnsLabel)
	logs, _ := c.kubectl(ctx, nil, "-n", dnsNamespace, "logs", "--tail", "8", "--prefix", "-l", dnsLabel)
	return fmt.Errorf("%w\n%s\nits log ends with:\n%s", err, pods, logs)
}
