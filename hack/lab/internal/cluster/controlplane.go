package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/netladder/netladder/hack/lab/internal/cgroup"
	"github.com/netladder/netladder/hack/lab/internal/layout"
	"github.com/netladder/netladder/hack/lab/internal/network"
)

// The daemons of the control plane.
const (
	etcd                  = "etcd"
	kubeAPIServer         = "kube-apiserver"
	kubeControllerManager = "kube-controller-manager"
	kubeScheduler         = "kube-scheduler"
	forwarder             = "forwarder"
)

const apiServerLimit = 90 * time.Second

// ForwardCommand is the lab's hidden command that calls forward.Run.
const ForwardCommand = "internal-forward"

// nodeMonitorGrace is shorter than upstream's 50 s: tests wait for a stopped node to become NotReady.
const nodeMonitorGrace = 20 * time.Second

// ensureControlPlane starts the control plane and returns when the API server is ready.
func (c *Cluster) ensureControlPlane(ctx context.Context) error {
	if err := network.EnsureMember(c.lab, layout.ControlPlane, net.ParseIP(layout.ControlPlaneIP), false); err != nil {
		return err
	}
	if err := c.ensureForwarder(); err != nil {
		return err
	}
	if _, err := c.ensureDaemon(c.etcd()); err != nil {
		return err
	}
	if err := c.ensureAPIServer(ctx); err != nil {
		return err
	}
	for _, d := range []daemon{c.controllerManager(), c.scheduler()} {
		if _, err := c.ensureDaemon(d); err != nil {
			return err
		}
	}
	return nil
}

// ensureAPIServer starts kube-apiserver and waits until it is ready, through the forwarder.
func (c *Cluster) ensureAPIServer(ctx context.Context) error {
	if err := renderTo(c.auditPolicyFile(), "audit-policy.yaml", nil); err != nil {
		return err
	}
	if _, err := c.ensureDaemon(c.apiServer()); err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	return c.waitForDaemon(ctx, layout.ControlPlane, kubeAPIServer, apiServerLimit, func(ctx context.Context) error {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Timeout(2 * time.Second).Do(ctx).Error()
	})
}

// ensureForwarder starts what listens on 127.0.0.1 for the API server. The listening socket is made here, in the host's
// network namespace, and handed to a process inside the control plane's: sockets stay where they were made.
func (c *Cluster) ensureForwarder() error {
	if pids, err := cgroup.Pids(c.lab.DaemonCgroup(layout.ControlPlane, forwarder)); err != nil || len(pids) > 0 {
		return err
	}
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: c.state.Port})
	if err != nil {
		return fmt.Errorf("the lab's port on this machine (free it, or `lab down` and up again to get another one): %w", err)
	}
	file, err := listener.File()
	if err != nil {
		return errors.Join(fmt.Errorf("handing over the forwarder's socket: %w", err), listener.Close())
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the lab's own program: %w", err)
	}
	_, err = c.ensureDaemon(daemon{
		member: layout.ControlPlane, name: forwarder, files: []*os.File{file},
		args: []string{self, ForwardCommand, net.JoinHostPort(layout.ControlPlaneIP, strconv.Itoa(layout.APIServerPort))},
	})
	return errors.Join(err, file.Close(), listener.Close())
}

// freePort returns a port of 127.0.0.1 that nobody listens on now.
func freePort() (int, error) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, fmt.Errorf("looking for a free port on 127.0.0.1: %w", err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func (c *Cluster) etcd() daemon {
	return daemon{member: layout.ControlPlane, name: etcd, args: []string{
		c.Binary(etcd), "--name=lab", "--data-dir=" + c.lab.Path("etcd"),
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=lab=http://127.0.0.1:2380",
		"--unsafe-no-fsync", // nothing here is worth a disk's time
		"--log-level=warn",
	}}
}

// apiServer keeps upstream's default admission plugins: no flag touches them.
func (c *Cluster) apiServer() daemon {
	return daemon{member: layout.ControlPlane, name: kubeAPIServer, args: append([]string{
		c.Binary(kubeAPIServer),
		"--advertise-address=" + layout.ControlPlaneIP, "--secure-port=" + strconv.Itoa(layout.APIServerPort),
		"--etcd-servers=http://127.0.0.1:2379",
		"--service-cluster-ip-range=" + layout.ServiceCIDR,
		"--authorization-mode=Node,RBAC",
		"--client-ca-file=" + c.certFile("ca"),
		"--tls-cert-file=" + c.certFile(kubeAPIServer), "--tls-private-key-file=" + c.keyFile(kubeAPIServer),
		"--kubelet-client-certificate=" + c.certFile("kubelet-client"), "--kubelet-client-key=" + c.keyFile("kubelet-client"),
		"--kubelet-certificate-authority=" + c.certFile("ca"),
		"--kubelet-preferred-address-types=InternalIP", // node names resolve nowhere here
		"--service-account-issuer=https://kubernetes.default.svc." + layout.ClusterDomain,
		"--service-account-key-file=" + c.keyFile(serviceAccountKey), "--service-account-signing-key-file=" + c.keyFile(serviceAccountKey),
		"--allow-privileged=true",
	}, c.auditFlags()...)}
}

func (c *Cluster) controllerManager() daemon {
	return daemon{member: layout.ControlPlane, name: kubeControllerManager, args: []string{
		c.Binary(kubeControllerManager),
		"--kubeconfig=" + c.kubeconfigOf(kubeControllerManager), "--leader-elect=false", "--bind-address=127.0.0.1",
		"--allocate-node-cidrs=true", "--cluster-cidr=" + layout.PodCIDR,
		"--node-cidr-mask-size=" + strconv.Itoa(layout.PodCIDRBits),
		"--service-cluster-ip-range=" + layout.ServiceCIDR,
		"--service-account-private-key-file=" + c.keyFile(serviceAccountKey), "--root-ca-file=" + c.certFile("ca"),
		"--cluster-signing-cert-file=" + c.certFile("ca"), "--cluster-signing-key-file=" + c.keyFile("ca"),
		"--use-service-account-credentials=true",
		"--node-monitor-grace-period=" + nodeMonitorGrace.String(),
	}}
}

func (c *Cluster) scheduler() daemon {
	return daemon{member: layout.ControlPlane, name: kubeScheduler, args: []string{
		c.Binary(kubeScheduler), "--kubeconfig=" + c.kubeconfigOf(kubeScheduler), "--leader-elect=false", "--bind-address=127.0.0.1",
	}}
}
