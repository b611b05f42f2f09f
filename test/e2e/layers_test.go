// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// What answers, and with which certificate, is a part of what works.
func TestFullLayers(t *testing.T) {
	const ns, name, inventoryService = "layers", "shop.example.com", "shop.v1.Inventory"
	client, web, grpcServer := label{"app", "client"}, label{"app", "web"}, label{"app", "grpc"}
	makeNamespace(t, ns)
	source := startApp(t, ns, "client", "node1", client)
	shop := startApp(t, ns, "web", "node2", web, "--https=:8443", "--tls=:6363", "--certificate-name="+name)
	inventory := startGRPC(t, ns, "grpc", "node3", grpcServer, inventoryService)
	expose(t, ns, "directory", web, 6363)

	trusted := &v1alpha1.TLSLayer{ServerName: name, CABundle: string(ask(t, shop, http.MethodGet, "/ca"))}
	https := func(path string, layer *v1alpha1.TLSLayer) v1alpha1.Path {
		p := allow(path, fromPods(client), toPods(web, 8443, ""))
		p.HTTP = &v1alpha1.HTTPLayer{Scheme: v1alpha1.SchemeHTTPS, Path: "/health", TLS: layer}
		return p
	}
	grpc := func(path, service string) v1alpha1.Path {
		p := allow(path, fromPods(client), toPods(grpcServer, 9090, ""))
		p.GRPC = &v1alpha1.GRPCLayer{Service: service}
		return p
	}
	directory := allow("tls", fromPods(client), toService("directory", 6363))
	directory.TLS = trusted
	create(t, ns, "layers", https("https", trusted), https("stranger", &v1alpha1.TLSLayer{ServerName: name}),
		directory, grpc("grpc", ""), grpc("inventory", inventoryService))
	path := func(path string) pathRef { return pathRef{ns, "layers", path} }
	pass := func(what string, names ...string) {
		t.Helper()
		for _, name := range names {
			eventually(t, settled, name+" passes "+what, path(name).is(v1alpha1.StatePassing, ""))
		}
	}
	fail := func(verdict v1alpha1.Verdict, evidence string, names ...string) {
		t.Helper()
		for _, name := range names {
			eventually(t, slack*detectionBound, name+" fails", path(name).failsWith(verdict, evidence))
		}
	}
	pass("at first", "https", "tls", "grpc", "inventory")
	grown(t, ns)
	fail(v1alpha1.VerdictTLSError, "authority that is not trusted", "stranger")
	certificateEnds(t, source.Spec.NodeName, ns, 90*24*time.Hour)

	// The application says that it is unwell; its certificate is none the worse.
	ask(t, shop, http.MethodPost, "/health?status=503")
	fail(v1alpha1.VerdictProtocolError, "503", "https")
	ask(t, inventory, http.MethodPost, "/health?state=NOT_SERVING")
	fail(v1alpha1.VerdictProtocolError, "NOT_SERVING", "grpc")
	pass("beside them", "tls", "inventory")
	ask(t, inventory, http.MethodPost, "/health?state=NOT_SERVING&service="+inventoryService)
	fail(v1alpha1.VerdictProtocolError, "NOT_SERVING", "inventory")
	ask(t, shop, http.MethodPost, "/health?status=200")
	ask(t, inventory, http.MethodPost, "/health?state=SERVING")
	ask(t, inventory, http.MethodPost, "/health?state=SERVING&service="+inventoryService)
	pass("when it is well", "https", "grpc", "inventory")

	// The certificate ends and is renewed; then one for another name is put in.
	ask(t, shop, http.MethodPost, "/certificate?name="+name+"&valid=-1h")
	fail(v1alpha1.VerdictTLSError, "the certificate expired on", "https", "tls")
	certificateEnds(t, source.Spec.NodeName, ns, -time.Hour)
	ask(t, shop, http.MethodPost, "/certificate?name="+name+"&valid=240h")
	pass("with a new certificate", "https", "tls")
	certificateEnds(t, source.Spec.NodeName, ns, 240*time.Hour)
	ask(t, shop, http.MethodPost, "/certificate?name=www."+name+"&valid=240h")
	fail(v1alpha1.VerdictTLSError, "the certificate is not for the name "+name, "https", "tls")
}

// certificateEnds waits until the metric of the tls path says, to the minute,
// how long the certificate lasts from now on.
func certificateEnds(t *testing.T, node, ns string, want time.Duration) {
	t.Helper()
	eventually(t, detectionBound, fmt.Sprintf("the metric says that %.1f days are left", want.Hours()/24), func(ctx context.Context) error {
		pods, err := podsOf(ctx, "prober")
		if err != nil {
			return err
		}
		until := metric(t, pods[node], "netladder_tls_certificate_not_after_timestamp_seconds",
			fmt.Sprintf("check_namespace=%q", ns), `path="tls"`)
		left := time.Until(time.Unix(int64(until), 0))
		if off := left - want; off < -5*time.Minute || off > time.Minute {
			return fmt.Errorf("%s are left", left.Round(time.Second))
		}
		return nil
	})
}

// startGRPC runs the lab's gRPC server on a node, with a service beside the
// server as a whole.
func startGRPC(t *testing.T, namespace, name, node string, l label, service string) *corev1.Pod {
	t.Helper()
	pod := appPod(namespace, name, node, l)
	pod.Spec.Containers[0].Image = "netladder.lab/grpcserver:v1"
	pod.Spec.Containers[0].Args = []string{"--grpc=:9090", "--admin=:" + adminPort, "--services=" + service}
	running(t, made(t, pod))
	return pod
}
