// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	bignumber "math/big"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/netladder/netladder/api/v1alpha1"
)

// bundle is a certificate in PEM.
func bundle(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: bignumber.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// layered is the only group of a path with a layer.
func layered(t *testing.T, in *Input, to v1alpha1.Target, change func(p *v1alpha1.Path)) (*v1alpha1.ProbeAssignmentSpec, *v1alpha1.ProbeGroup) {
	t.Helper()
	c := in.addPath("shop", "check", fromPods("web"), to, "")
	change(&c.Spec.Paths[0])
	a := in.assign("node-00000", nil)
	if len(a.Spec.Groups) != 1 || len(a.Spec.Pairs(&a.Spec.Groups[0])) == 0 {
		t.Fatalf("groups %+v: %+v", a.Spec.Groups, in.resolved(c))
	}
	return &a.Spec, &a.Spec.Groups[0]
}

// Who a certificate must be for follows from what the path says, the first of:
// serverName, the name in http.host, the Service; else it is what is dialled.
func TestLayers(t *testing.T) {
	tls := func(name string) *v1alpha1.TLSLayer { return &v1alpha1.TLSLayer{ServerName: name} }
	https := func(host string, layer *v1alpha1.TLSLayer) func(p *v1alpha1.Path) {
		return func(p *v1alpha1.Path) { p.HTTP = &v1alpha1.HTTPLayer{Scheme: "HTTPS", Host: host, TLS: layer} }
	}
	tlsLayer := func(layer *v1alpha1.TLSLayer) func(p *v1alpha1.Path) {
		return func(p *v1alpha1.Path) { p.TLS = layer }
	}
	grpc := func(layer *v1alpha1.TLSLayer) func(p *v1alpha1.Path) {
		return func(p *v1alpha1.Path) { p.GRPC = &v1alpha1.GRPCLayer{Service: "a", TLS: layer} }
	}
	service := v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: "db", Port: intstr.FromInt32(80)}}
	outside := v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: "outside", Port: intstr.FromInt32(443)}}
	host := v1alpha1.Target{Host: &v1alpha1.HostTarget{Hostname: "a.example.com", Port: 443}}
	for _, tc := range []struct {
		name   string
		to     v1alpha1.Target
		change func(p *v1alpha1.Path)
		kind   v1alpha1.ProbeKind
		secure bool
		server string
	}{
		{"HTTP", service, func(p *v1alpha1.Path) { p.HTTP = &v1alpha1.HTTPLayer{} }, "HTTP", false, ""},
		{"HTTPS to a Service", service, https("", nil), "HTTP", true, "db.shop.svc"},
		{"HTTPS by its name", service, https("", tls("b.example.com")), "HTTP", true, "b.example.com"},
		{"HTTPS by its host", service, https("c.example.com", nil), "HTTP", true, "c.example.com"},
		{"HTTPS by its host with a port", service, https("c.example.com:8443", nil), "HTTP", true, "c.example.com"},
		{"HTTPS by its name, not its host", service, https("c.example.com", tls("b.example.com")), "HTTP", true, "b.example.com"},
		{"HTTPS to pods", toPods("db", 1), https("", nil), "HTTP", true, ""},
		{"HTTPS to a name", host, https("", nil), "HTTP", true, ""},
		{"HTTPS to a name by another", host, https("", tls("b.example.com")), "HTTP", true, "b.example.com"},
		{"TLS to a Service", service, tlsLayer(tls("")), "TLS", true, "db.shop.svc"},
		{"TLS to pods", toPods("db", 1), tlsLayer(tls("b.example.com")), "TLS", true, "b.example.com"},
		{"TLS to pods by address", toPods("db", 1), tlsLayer(tls("")), "TLS", true, ""},
		{"TLS to a Service that is a name", outside, tlsLayer(tls("")), "TLS", true, ""},
		{"TLS to a Service that is a name, by another", outside, tlsLayer(tls("b.example.com")), "TLS", true, "b.example.com"},
		{"gRPC", service, grpc(nil), "GRPC", false, ""},
		{"gRPC over TLS", service, grpc(tls("")), "GRPC", true, "db.shop.svc"},
		{"gRPC to pods", toPods("db", 1), grpc(tls("b.example.com")), "GRPC", true, "b.example.com"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := denyFixture()
			in.addBehind("shop", "db", false)
			key := types.NamespacedName{Namespace: "shop", Name: "outside"}
			in.Cluster.Services[key] = &Service{Key: key, ExternalName: "a.example.com"}
			_, g := layered(t, &in, tc.to, tc.change)
			layer := tlsOf(g.HTTP, g.TLS, g.GRPC)
			if g.Kind != tc.kind || (layer != nil) != tc.secure || layer != nil && layer.ServerName != tc.server {
				t.Errorf("kind %s, TLS %+v; want %s of %q", g.Kind, layer, tc.kind, tc.server)
			}
			if (g.HTTP != nil) != (tc.kind == "HTTP") || (g.TLS != nil) != (tc.kind == "TLS") || (g.GRPC != nil) != (tc.kind == "GRPC") {
				t.Errorf("parameters of another kind: %+v", g)
			}
			if g.GRPC != nil && g.GRPC.Service != "a" {
				t.Errorf("service %q", g.GRPC.Service)
			}
		})
	}
}

// Groups share the certificate authorities of an assignment, whose size counts
// them once; another bundle is another content.
func TestCABundles(t *testing.T) {
	one, other := bundle(t), bundle(t)
	in := denyFixture()
	in.addBehind("shop", "db", false)
	service := v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: "db", Port: intstr.FromInt32(80)}}
	for i, b := range []string{one, other, one, ""} {
		c := in.addPath("shop", string(rune('a'+i)), fromPods("web"), service, "")
		c.Spec.Paths[0].GRPC = &v1alpha1.GRPCLayer{TLS: &v1alpha1.TLSLayer{CABundle: b}}
	}
	a := in.assign("node-00000", nil)
	if len(a.Spec.CABundles) != 2 || len(a.Spec.Groups) != 4 {
		t.Fatalf("%d bundles, %d groups", len(a.Spec.CABundles), len(a.Spec.Groups))
	}
	for i, want := range []string{one, other, one, ""} {
		g := &a.Spec.Groups[i]
		got := ""
		if g.CABundle != nil {
			got = a.Spec.CABundles[*g.CABundle]
		}
		if got != want || g.GRPC.TLS.CABundle != "" {
			t.Errorf("group %s has another bundle: %q", g.Key, got)
		}
	}
	if in.Checks[0].Spec.Paths[0].GRPC.TLS.CABundle != one {
		t.Error("the check was changed")
	}
	before := a.Spec.Groups[0].Hash
	in.Checks[0].Spec.Paths[0].GRPC.TLS.CABundle = other
	if after := in.assign("node-00000", nil).Spec.Groups[0].Hash; after == before {
		t.Error("the hash does not cover the bundle")
	}
}

func TestSizeEstimateOfLayers(t *testing.T) {
	in := denyFixture()
	in.addBehind("shop", "db", false)
	service := v1alpha1.Target{Service: &v1alpha1.ServiceTarget{Name: "db", Port: intstr.FromInt32(80)}}
	for i := range 8 {
		c := in.addPath("shop", string(rune('a'+i)), fromPods("web"), service, "")
		c.Spec.Paths[0].TLS = &v1alpha1.TLSLayer{CABundle: strings.Repeat(bundle(t), 5)}
	}
	v := newView(in.Cluster, in.Now)
	var resolved []*Resolved
	for _, c := range in.Checks {
		resolved = append(resolved, v.resolve(compile(c, in.Settings)))
	}
	a := assigner{nodes: in.Cluster.Nodes}
	r := a.render(a.drafts("node-00000", resolved, nil))
	r.spec.Heartbeat.Duration = heartbeat(1000)
	truth := len(mustJSON(r.spec))
	if len(r.spec.CABundles) != 8 || r.size < truth || r.size > truth*11/10 {
		t.Errorf("estimated %d bytes, it is %d", r.size, truth)
	}
}

// What the schema refuses is refused, and so is what it cannot look at.
func TestLayersRefused(t *testing.T) {
	good := bundle(t)
	ca := func(text string) func(p *v1alpha1.Path) {
		return func(p *v1alpha1.Path) { p.TLS = &v1alpha1.TLSLayer{CABundle: text} }
	}
	udp := toHost("198.51.100.1", 1)
	udp.Host.Protocol = v1alpha1.ProtocolUDP
	key := "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
	for _, tc := range []struct {
		name    string
		to      v1alpha1.Target
		expect  v1alpha1.Expectation
		change  func(p *v1alpha1.Path)
		reason  string
		message string
	}{
		{"two layers", toPods("db", 1), "", func(p *v1alpha1.Path) { p.TLS, p.GRPC = &v1alpha1.TLSLayer{}, &v1alpha1.GRPCLayer{} }, "Unsupported", "at most one of http, tls and grpc"},
		{"TLS and Deny", toPods("db", 1), "Deny", ca(""), "Unsupported", "without http, tls and grpc"},
		{"TLS by UDP", udp, "", ca(""), "Unsupported", "by TCP"},
		{"gRPC to the API server", v1alpha1.Target{APIServer: &v1alpha1.APIServerTarget{}}, "", func(p *v1alpha1.Path) { p.GRPC = &v1alpha1.GRPCLayer{} }, "Unsupported", "go with to.service"},
		{"a scheme of a later version", toPods("db", 1), "", func(p *v1alpha1.Path) { p.HTTP = &v1alpha1.HTTPLayer{Scheme: "QUIC"} }, "Unsupported", "http.scheme HTTP and HTTPS"},
		{"TLS of HTTP", toPods("db", 1), "", func(p *v1alpha1.Path) { p.HTTP = &v1alpha1.HTTPLayer{TLS: &v1alpha1.TLSLayer{}} }, "Unsupported", "set http.scheme to HTTPS"},
		{"no PEM", toPods("db", 1), "", ca("secret"), "InvalidCABundle", "holds no certificate;"},
		{"no certificate", toPods("db", 1), "", ca("-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n"), "InvalidCABundle", "cannot be parsed, number 1"},
		{"a bad one behind a good one", toPods("db", 1), "", ca(good + "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n"), "InvalidCABundle", "number 2"},
		{"a private key", toPods("db", 1), "", ca(good + key), "InvalidCABundle", "something else than certificates"},
		{"too long", toPods("db", 1), "", ca(good + strings.Repeat("\n", v1alpha1.MaxCABundle)), "InvalidCABundle", "longer than 8192 bytes"},
		{"good", toPods("db", 1), "", ca("# the root\n" + good + good), "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := denyFixture()
			c := in.addPath("shop", "check", fromPods("web"), tc.to, tc.expect)
			tc.change(&c.Spec.Paths[0])
			r := in.resolved(c)
			if r.Accepted != (tc.reason == "") || r.Reason != tc.reason || !strings.Contains(r.Message, tc.message) || strings.Contains(r.Message, "c2VjcmV0") {
				t.Errorf("accepted %t: %s: %s", r.Accepted, r.Reason, r.Message)
			}
		})
	}
}
