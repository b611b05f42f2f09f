package cluster

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/netladder/netladder/hack/lab/internal/layout"
	"github.com/netladder/netladder/hack/lab/internal/pki"
)

const serviceAccountKey = "service-account"

// ensureCredentials makes the authority, everybody's certificates and their kubeconfigs.
func (c *Cluster) ensureCredentials() error {
	authority, err := pki.New(c.lab.Path("pki"))
	if err != nil {
		return err
	}
	if err := authority.EnsureKey(serviceAccountKey); err != nil {
		return err
	}
	if err := authority.Ensure(pki.Certificate{
		File: kubeAPIServer, User: kubeAPIServer,
		IPs:      []net.IP{net.ParseIP(layout.ControlPlaneIP), net.ParseIP(layout.KubernetesIP), net.IPv4(127, 0, 0, 1)},
		DNSNames: []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + layout.ClusterDomain},
	}); err != nil {
		return err
	}
	inside := "https://" + net.JoinHostPort(layout.ControlPlaneIP, strconv.Itoa(layout.APIServerPort))
	outside := "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(c.state.Port))
	type user struct{ file, name, group, server string }
	users := []user{
		{"admin", "lab-admin", "system:masters", outside},
		{"kubelet-client", "kube-apiserver-kubelet-client", "system:masters", ""},
		{kubeControllerManager, "system:" + kubeControllerManager, "", inside},
		{kubeScheduler, "system:" + kubeScheduler, "", inside},
		{kubeProxy, "system:" + kubeProxy, "", inside},
		{policyAgent, policyAgentUser, "", inside},
	}
	for _, node := range c.state.Nodes {
		users = append(users, user{"kubelet-" + node, "system:node:" + node, "system:nodes", inside})
		ip, err := layout.NodeIP(node)
		if err != nil {
			return err
		}
		if err := authority.Ensure(pki.Certificate{
			File: "kubelet-serving-" + node, User: node, IPs: []net.IP{ip.AsSlice()}, DNSNames: []string{node},
		}); err != nil {
			return err
		}
	}
	for _, user := range users {
		certificate := pki.Certificate{File: user.file, User: user.name}
		if user.group != "" {
			certificate.Groups = []string{user.group}
		}
		if err := authority.Ensure(certificate); err != nil {
			return err
		}
		if user.server == "" {
			continue
		}
		path := c.lab.Path("pki", user.file+".kubeconfig")
		if user.file == "admin" {
			path = c.Kubeconfig()
		}
		if err := writeKubeconfig(authority, user.file, user.server, path); err != nil {
			return err
		}
	}
	return nil
}

// writeKubeconfig embeds the certificates, so that the file works wherever it is copied.
func writeKubeconfig(authority *pki.Authority, user, server, path string) error {
	var content [3][]byte
	for i, file := range []string{authority.CertFile("ca"), authority.CertFile(user), authority.KeyFile(user)} {
		var err error
		if content[i], err = os.ReadFile(file); err != nil {
			return fmt.Errorf("writing the kubeconfig of %s: %w", user, err)
		}
	}
	const name = "netladder-lab"
	config := api.NewConfig()
	config.Clusters[name] = &api.Cluster{Server: server, CertificateAuthorityData: content[0]}
	config.AuthInfos[name] = &api.AuthInfo{ClientCertificateData: content[1], ClientKeyData: content[2]}
	config.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("writing the kubeconfig of %s: %w", user, err)
	}
	return nil
}

func (c *Cluster) certFile(name string) string     { return c.lab.Path("pki", name+".crt") }
func (c *Cluster) keyFile(name string) string      { return c.lab.Path("pki", name+".key") }
func (c *Cluster) kubeconfigOf(user string) string { return c.lab.Path("pki", user+".kubeconfig") }
