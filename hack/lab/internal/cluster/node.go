package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/netladder/netladder/hack/lab/internal/cgroup"
	"github.com/netladder/netladder/hack/lab/internal/launch"
	"github.com/netladder/netladder/hack/lab/internal/layout"
	"github.com/netladder/netladder/hack/lab/internal/network"
	"github.com/netladder/netladder/hack/lab/internal/nodeinit"
)

// The daemons of a node.
const (
	nodeInitDaemon = "init"
	containerd     = "containerd"
	kubelet        = "kubelet"
	kubeProxy      = "kube-proxy"
	policyAgent    = "policy-agent"
	metadata       = "metadata"
)

const (
	nodeInitLimit   = 15 * time.Second
	containerdLimit = 60 * time.Second
	kubeProxyLimit  = 30 * time.Second
	agentLimit      = 30 * time.Second
	metadataLimit   = 10 * time.Second
)

// bootNode brings a node up to a running containerd with all images; it needs no API server.
func (c *Cluster) bootNode(ctx context.Context, node string) error {
	ip, err := layout.NodeIP(node)
	if err != nil {
		return err
	}
	if err := network.EnsureMember(c.lab, node, ip.AsSlice(), true); err != nil {
		return err
	}
	masquerade, err := render("masquerade.nft", map[string]string{"PodCIDR": layout.PodCIDR})
	if err != nil {
		return err
	}
	if err := c.nft(ctx, node, masquerade); err != nil {
		return err
	}
	if err := cgroup.Create(c.lab.PodsCgroup(node)); err != nil {
		return err
	}
	if err := c.ensureInit(ctx, node); err != nil {
		return err
	}
	if err := c.applyPolicy(ctx, node); err != nil {
		return err
	}
	if err := c.startMetadata(node); err != nil {
		return err
	}
	if err := c.ensureContainerd(ctx, node); err != nil {
		return err
	}
	return c.importImages(ctx, node)
}

// ensureInit starts the node's first process, which makes its namespaces.
func (c *Cluster) ensureInit(ctx context.Context, node string) error {
	if _, err := c.nodePID(node); err == nil {
		return nil
	}
	// The pod CIDR may be another one this time: without this file no pod gets an address before it is known.
	for _, stale := range []string{nodeinit.ReadyFile(c.lab, node), c.cniFile(node)} {
		if err := os.Remove(stale); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clearing what node %s left: %w", node, err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the lab's own program: %w", err)
	}
	if _, err := c.ensureDaemon(daemon{
		member: node, name: nodeInitDaemon, fork: true,
		args: []string{self, nodeinit.Command, "--name", c.lab.Name, "--binaries", c.state.Binaries, node},
	}); err != nil {
		return err
	}
	return c.waitForDaemon(ctx, node, nodeInitDaemon, nodeInitLimit, func(context.Context) error {
		_, err := os.Stat(nodeinit.ReadyFile(c.lab, node))
		return err
	})
}

func (c *Cluster) ensureContainerd(ctx context.Context, node string) error {
	config := c.nodeFile(node, "containerd.toml")
	if err := renderTo(config, "containerd.toml", map[string]string{"PauseImage": PauseImage}); err != nil {
		return err
	}
	started, err := c.ensureDaemon(daemon{
		member: node, name: containerd, inNode: true,
		args: []string{c.nodeBinary(containerd), "--config", config},
		env:  []string{"PATH=" + nodeinit.BinDir(c.lab) + ":/usr/sbin:/usr/bin:/sbin:/bin"},
	})
	if err != nil || !started {
		return err
	}
	return c.waitForDaemon(ctx, node, containerd, containerdLimit, func(ctx context.Context) error {
		return c.inNode(ctx, node, nil, c.nodeBinary("ctr"), "version")
	})
}

// startKubelet starts the node's policy agent, kubelet and kube-proxy, and tells whether the kubelet was started now.
func (c *Cluster) startKubelet(node string) (started bool, err error) {
	ip, err := layout.NodeIP(node)
	if err != nil {
		return false, err
	}
	if err := c.startPolicyAgent(node); err != nil {
		return false, err
	}
	resolvConf := c.nodeFile(node, "resolv.conf")
	if err := os.WriteFile(resolvConf, []byte("# nothing outside exists\n"), 0o644); err != nil {
		return false, fmt.Errorf("writing the resolv.conf of node %s: %w", node, err)
	}
	config := c.nodeFile(node, "kubelet.yaml")
	if err := renderTo(config, "kubelet.yaml", map[string]string{
		"CAFile": c.certFile("ca"), "CertFile": c.certFile("kubelet-serving-" + node), "KeyFile": c.keyFile("kubelet-serving-" + node),
		"DNSServiceIP": layout.DNSServiceIP, "ClusterDomain": layout.ClusterDomain,
		"ResolvConf": resolvConf, "CgroupRoot": c.lab.PodsCgroup(node),
	}); err != nil {
		return false, err
	}
	started, err = c.ensureDaemon(daemon{member: node, name: kubelet, inNode: true, args: []string{
		c.nodeBinary(kubelet), "--config=" + config, "--kubeconfig=" + c.kubeconfigOf("kubelet-"+node),
		"--hostname-override=" + node, "--node-ip=" + ip.String(),
	}})
	if err != nil {
		return false, err
	}
	return started, c.startKubeProxy(node)
}

// startKubeProxy starts the node's kube-proxy unless a fault keeps it down.
func (c *Cluster) startKubeProxy(node string) error {
	if c.keptDown(node, kubeProxy) {
		return nil
	}
	config := c.nodeFile(node, "kube-proxy.yaml")
	if err := renderTo(config, "kube-proxy.yaml", map[string]string{
		"PodCIDR": layout.PodCIDR, "Node": node, "Kubeconfig": c.kubeconfigOf(kubeProxy),
	}); err != nil {
		return err
	}
	_, err := c.ensureDaemon(daemon{member: node, name: kubeProxy, inNode: true, args: []string{
		c.nodeBinary(kubeProxy), "--config=" + config,
	}})
	return err
}

// killNode ends everything on a node at once, as if its power were cut.
func (c *Cluster) killNode(ctx context.Context, node string) error {
	if err := cgroup.Kill(ctx, c.lab.Cgroup(node)); err != nil {
		return err
	}
	if err := network.Unplug(c.lab, node); err != nil {
		return err
	}
	return cgroup.Remove(c.lab.Cgroup(node))
}

// Inside returns the command line that runs args on a node, in all of its namespaces.
func (c *Cluster) Inside(node string, args ...string) ([]string, error) {
	pid, err := c.nodePID(node)
	if err != nil {
		return nil, err
	}
	return launch.Inside(c.lab.Netns(node), pid, args...), nil
}

// inNode runs a command on a node; an error carries what it printed.
func (c *Cluster) inNode(ctx context.Context, node string, stdin *os.File, args ...string) error {
	command, err := c.Inside(node, args...)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	if stdin != nil {
		cmd.Stdin = stdin
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s on node %s: %w\n%s", filepath.Base(args[0]), node, err, bytes.TrimSpace(out))
	}
	return nil
}

// nft runs an nftables script in a member's network namespace.
func (c *Cluster) nft(ctx context.Context, member string, script []byte) error {
	return c.inNetns(ctx, member, script, "nft", "-f", "-")
}

// inNetns runs a command in a member's network namespace, whether the member runs or not.
func (c *Cluster) inNetns(ctx context.Context, member string, stdin []byte, args ...string) error {
	command := launch.Inside(c.lab.Netns(member), 0, args...)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s in the network namespace of %s: %w\n%s", args[0], member, err, bytes.TrimSpace(out))
	}
	return nil
}

func (c *Cluster) nodeFile(node, name string) string { return c.lab.Path("nodes", node, name) }

// cniFile is where the node's /var/lib/cni/net.d/10-lab.conflist lies in the lab's state.
func (c *Cluster) cniFile(node string) string { return c.nodeFile(node, "cni/net.d/10-lab.conflist") }

func (c *Cluster) nodeBinary(name string) string { return filepath.Join(nodeinit.BinDir(c.lab), name) }
