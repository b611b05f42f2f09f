package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/hack/lab/internal/layout"
	"github.com/netladder/netladder/hack/lab/internal/network"
)

const (
	registerLimit = 60 * time.Second
	readyLimit    = 90 * time.Second
)

// joinNodes starts the kubelets of booted nodes, gives the nodes their pod network and waits until they are Ready.
func (c *Cluster) joinNodes(ctx context.Context, nodes []string) error {
	since := time.Now().Truncate(time.Second) // the API's times have whole seconds
	var fresh []string
	for _, node := range nodes {
		started, err := c.startKubelet(node)
		if err != nil {
			return err
		}
		if started {
			fresh = append(fresh, node)
		}
	}
	for _, node := range nodes {
		if err := c.waitForDaemon(ctx, node, kubelet, registerLimit, func(ctx context.Context) error {
			return c.hasPodCIDR(ctx, node)
		}); err != nil {
			return err
		}
	}
	if err := c.syncOverlay(ctx); err != nil {
		return err
	}
	for _, node := range nodes {
		if err := errors.Join(c.waitForPolicyAgent(ctx, node), c.waitForMetadata(ctx, node)); err != nil {
			return err
		}
		if err := c.waitForDaemon(ctx, node, kubelet, readyLimit, func(ctx context.Context) error {
			return c.isReady(ctx, node, slices.Contains(fresh, node), since)
		}); err != nil {
			return err
		}
	}
	return nil
}

// syncOverlay makes the CNI configuration, annotations and routes of all running nodes fit the pod CIDRs that the
// Node objects have now. Stopped nodes stay routed, as in a real cluster; deleted ones do not.
func (c *Cluster) syncOverlay(ctx context.Context) error {
	peers, err := c.peers(ctx)
	if err != nil {
		return err
	}
	for _, peer := range peers {
		if !slices.Contains(c.state.Running(), peer.Node) {
			continue
		}
		if err := renderTo(c.cniFile(peer.Node), "cni.conflist", map[string]string{"PodCIDR": peer.PodCIDR.String()}); err != nil {
			return err
		}
		if err := c.annotate(ctx, peer); err != nil {
			return err
		}
		if err := network.SyncNode(c.lab, peer, peers); err != nil {
			return fmt.Errorf("overlay of node %s: %w", peer.Node, err)
		}
	}
	if err := c.miswire(peers); err != nil {
		return err
	}
	return network.SyncControlPlane(c.lab, peers)
}

// peers lists the lab's nodes that have a pod CIDR, by name.
func (c *Cluster) peers(ctx context.Context) ([]network.Peer, error) {
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	var peers []network.Peer
	for _, node := range list.Items {
		// Tests may add Node objects that stand for no machine.
		if node.Spec.PodCIDR == "" || !slices.Contains(c.state.Nodes, node.Name) {
			continue
		}
		cidr, err := netip.ParsePrefix(node.Spec.PodCIDR)
		if err != nil {
			return nil, fmt.Errorf("pod CIDR of node %s: %w", node.Name, err)
		}
		ip, err := layout.NodeIP(node.Name)
		if err != nil {
			return nil, err
		}
		peers = append(peers, network.Peer{Node: node.Name, IP: ip, PodCIDR: cidr})
	}
	return peers, nil
}

// annotate says on the Node what flannel says there, for whoever detects the overlay by it.
func (c *Cluster) annotate(ctx context.Context, peer network.Peer) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	const prefix = "flannel.alpha.coreos.com/"
	backend, err := json.Marshal(map[string]any{"VNI": network.VNI, "VtepMAC": layout.VTEPMAC(peer.IP).String()})
	if err != nil {
		return fmt.Errorf("annotating node %s: %w", peer.Node, err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{
		prefix + "backend-type": "vxlan", prefix + "backend-data": string(backend),
		prefix + "public-ip": peer.IP.String(), prefix + "kube-subnet-manager": "true",
	}}})
	if err != nil {
		return fmt.Errorf("annotating node %s: %w", peer.Node, err)
	}
	if _, err := client.CoreV1().Nodes().Patch(ctx, peer.Node, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("annotating node %s: %w", peer.Node, err)
	}
	return nil
}

func (c *Cluster) hasPodCIDR(ctx context.Context, name string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%w; if it was deleted while it ran, `lab stop %s` and `lab start %s` bring it back", err, name, name)
	}
	if err != nil {
		return err
	}
	if node.Spec.PodCIDR == "" {
		return errors.New("the node has no pod CIDR yet")
	}
	return nil
}

// isReady checks a node's Ready condition; of a kubelet that was started now, only what it reported since counts.
func (c *Cluster) isReady(ctx context.Context, name string, fresh bool, since time.Time) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type != corev1.NodeReady {
			continue
		}
		if fresh && condition.LastHeartbeatTime.Time.Before(since) {
			return errors.New("the kubelet has not reported yet")
		}
		if condition.Status != corev1.ConditionTrue {
			return fmt.Errorf("not Ready: %s: %s", condition.Reason, condition.Message)
		}
		return nil
	}
	return errors.New("the node has no Ready condition yet")
}
