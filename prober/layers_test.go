// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/prober/schedule"
)

// publicCertificate is a certificate authority, as it is and in PEM.
func publicCertificate(t *testing.T) (*x509.Certificate, string) {
	t.Helper()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		return cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	}
	t.Fatal("there are none")
	return nil, ""
}

func TestLayersOfATarget(t *testing.T) {
	cert, text := publicCertificate(t)
	one, public, nobody := x509.NewCertPool(), x509.NewCertPool(), x509.NewCertPool()
	one.AddCert(cert)
	public.AddCert(&x509.Certificate{Raw: []byte("public")})
	a := newAgent(Options{NodeName: "node0", PodUID: "uid", Log: logr.Discard()}, nil)
	a.publicRoots = func() *x509.CertPool { return public }
	spec := &v1alpha1.ProbeAssignmentSpec{CABundles: []string{"not PEM", text}}
	layer := &v1alpha1.TLSLayer{ServerName: "a"}
	for name, tc := range map[string]struct {
		group  v1alpha1.ProbeGroup
		secure bool
		server string
		roots  *x509.CertPool
	}{
		"HTTP":                         {group: v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeHTTP, HTTP: &v1alpha1.HTTPLayer{}}},
		"HTTP without parameters":      {group: v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeHTTP}},
		"HTTPS":                        {group: v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeHTTP, HTTP: &v1alpha1.HTTPLayer{Scheme: "HTTPS"}}, secure: true, roots: public},
		"HTTPS by name":                {group: v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeHTTP, HTTP: &v1alpha1.HTTPLayer{Scheme: "HTTPS", TLS: layer}, CABundle: new(int32(1))}, secure: true, server: "a", roots: one},
		"TLS":                          {group: v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTLS}, secure: true, roots: public},
		"TLS by name":                  {group: v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTLS, TLS: layer, CABundle: new(int32(1))}, secure: true, server: "a", roots: one},
		"a bundle that is none":        {group: v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTLS, TLS: layer, CABundle: new(int32(0))}, secure: true, server: "a", roots: nobody},
		"a bundle that is not there":   {group: v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTLS, TLS: layer, CABundle: new(int32(2))}, secure: true, server: "a", roots: nobody},
		"a bundle before the first":    {group: v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTLS, TLS: layer, CABundle: new(int32(-1))}, secure: true, server: "a", roots: nobody},
		"gRPC":                         {group: v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeGRPC, GRPC: &v1alpha1.GRPCLayer{Service: "s"}}},
		"gRPC over TLS":                {group: v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeGRPC, GRPC: &v1alpha1.GRPCLayer{Service: "s", TLS: layer}}, secure: true, server: "a", roots: public},
		"TCP with a layer of another":  {group: v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTCP, TLS: layer}},
		"TLS that takes anything goes": {group: v1alpha1.ProbeGroup{Kind: v1alpha1.ProbeTLS, TLS: &v1alpha1.TLSLayer{InsecureSkipVerify: true}}, secure: true},
	} {
		got := a.target(spec, &tc.group, time.Second)
		if (got.TLS != nil) != tc.secure {
			t.Errorf("%s: TLS %+v", name, got.TLS)
			continue
		}
		if tc.group.GRPC != nil && got.GRPC.Service != "s" {
			t.Errorf("%s: asks about %q", name, got.GRPC.Service)
		}
		if got.TLS == nil {
			continue
		}
		if got.TLS.ServerName != tc.server || (got.TLS.Roots == nil) != (tc.roots == nil) || tc.roots != nil && !got.TLS.Roots.Equal(tc.roots) {
			t.Errorf("%s: %+v", name, got.TLS)
		}
		if got.TLS.SkipVerify != strings.HasSuffix(name, "goes") {
			t.Errorf("%s: skips verification: %t", name, got.TLS.SkipVerify)
		}
	}
}

// An image without files trusts whom browsers trust.
func TestPublicRootsWithoutFiles(t *testing.T) {
	t.Setenv("SSL_CERT_FILE", "/nonexistent")
	t.Setenv("SSL_CERT_DIR", "/nonexistent")
	if publicRoots().Equal(x509.NewCertPool()) {
		t.Error("nobody is trusted")
	}
}

// The series of a path tells of the certificate that ends first, as long as
// there is a pair that saw it.
func TestCertificatesOfAPath(t *testing.T) {
	a := newAgent(Options{NodeName: "node0", PodUID: "uid", Log: logr.Discard()}, nil)
	spec := tcpSpec("a-1", "10.0.0.1", "10.0.0.2")
	g := &spec.Groups[0]
	g.Kind = v1alpha1.ProbeTLS
	var pairs map[string]schedule.Recorder
	assign := func(hash string, members ...int32) {
		g.Hash, g.Members = hash, members
		a.tracker.Update(&spec, nil, time.Now())
		groups, paths, _ := a.groups(&spec)
		a.metrics.keep(paths)
		pairs = map[string]schedule.Recorder{}
		for _, p := range groups[0].Pairs {
			pairs[p.Target.Addr.Addr().String()] = p.Recorder
		}
	}
	saw := func(pair schedule.Recorder, until int64) {
		o := &schedule.Outcome{Result: probe.Result{Verdict: probe.Connected}, At: time.Now()}
		if until != 0 {
			o.NotAfter = time.Unix(until, 0)
		}
		pair.Record(o)
	}
	shown := func() string {
		value := "none"
		for _, line := range series(t, a.metrics) {
			if strings.HasPrefix(line, "netladder_tls_certificate_not_after_timestamp_seconds{") {
				_, value, _ = strings.Cut(strings.TrimSpace(line), "} ")
			}
		}
		return value
	}
	want := func(when, value string) {
		t.Helper()
		if got := shown(); got != value {
			t.Errorf("%s: %s, want %s", when, got, value)
		}
	}
	assign("a-1", 0, 1)
	want("before any probe", "none")
	saw(pairs["10.0.0.1"], 2000)
	want("one", "2000")
	saw(pairs["10.0.0.2"], 1000)
	want("an earlier one", "1000")
	saw(pairs["10.0.0.2"], 0)
	want("no certificate this time", "1000")
	saw(pairs["10.0.0.2"], 3000)
	want("renewed", "2000")
	gone := pairs["10.0.0.1"]
	assign("a-2", 1)
	want("the first has left", "3000")
	saw(gone, 500)
	want("a probe of one that left ends late", "3000")
	assign("b-2", 1)
	want("another content", "none")
	saw(pairs["10.0.0.2"], 4000)
	want("seen again", "4000")
	g.Kind = v1alpha1.ProbeTCP
	assign("c-2", 1)
	want("without TLS", "none")
	saw(pairs["10.0.0.2"], 5000)
	want("nothing to see", "none")
	g.Kind = v1alpha1.ProbeTLS
	assign("d-2", 1)
	saw(pairs["10.0.0.2"], 6000)
	a.metrics.keep(nil)
	want("no path any more", "none")
	saw(pairs["10.0.0.2"], 7000)
	want("a probe of it ends late", "none")
}

// What takes every connection in a pod is looked for where a probe connects;
// what a target itself answered is no doing of a sidecar's.
func TestOriginsOfLayers(t *testing.T) {
	a := newAgent(Options{NodeName: "node0", PodUID: "uid", Log: logr.Discard()}, nil)
	t.Cleanup(a.release)
	a.spaces = &spaces{}
	source := &v1alpha1.AssignedPod{UID: "a"}
	for kind, want := range map[v1alpha1.ProbeKind]struct{ canary, layer7 bool }{
		v1alpha1.ProbeTCP: {true, false}, v1alpha1.ProbeTCPHalfOpen: {true, false}, v1alpha1.ProbeUDP: {false, false},
		v1alpha1.ProbeHTTP: {true, true}, v1alpha1.ProbeTLS: {true, true}, v1alpha1.ProbeGRPC: {true, true},
	} {
		o := a.origin(&v1alpha1.ProbeGroup{Kind: kind, From: v1alpha1.SourcePods}, &v1alpha1.Pair{Source: source})
		if (o.canary != nil) != want.canary || o.layer7 != want.layer7 {
			t.Errorf("%s: %+v", kind, o)
		}
	}
}
