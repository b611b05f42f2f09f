// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"crypto/x509"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
)

// isLayer7 says whether probes of a kind are answered by the target itself: no
// sidecar can.
func isLayer7(k v1alpha1.ProbeKind) bool {
	return k == v1alpha1.ProbeHTTP || k == v1alpha1.ProbeTLS || k == v1alpha1.ProbeGRPC
}

// setLayer gives the target of a group what is tested on top of a connection.
func (a *agent) setLayer(t *probe.Target, spec *v1alpha1.ProbeAssignmentSpec, pg *v1alpha1.ProbeGroup) {
	var layer *v1alpha1.TLSLayer
	switch pg.Kind {
	case v1alpha1.ProbeHTTP:
		t.HTTP = probe.HTTPRequest{Method: string(v1alpha1.HTTPGet), Path: "/"}
		if h := pg.HTTP; h != nil {
			t.HTTP.Method = or(string(h.Method), t.HTTP.Method)
			t.HTTP.Path = or(h.Path, t.HTTP.Path)
			t.HTTP.Host, t.HTTP.ExpectedStatuses = h.Host, h.ExpectedStatuses
			if layer = h.TLS; h.Scheme == v1alpha1.SchemeHTTPS && layer == nil {
				layer = &v1alpha1.TLSLayer{}
			}
		}
	case v1alpha1.ProbeTLS:
		if layer = pg.TLS; layer == nil {
			layer = &v1alpha1.TLSLayer{}
		}
	case v1alpha1.ProbeGRPC:
		if g := pg.GRPC; g != nil {
			t.GRPC.Service, layer = g.Service, g.TLS
		}
	}
	if layer != nil {
		t.TLS = &probe.TLSClient{ServerName: layer.ServerName, Roots: a.roots(spec, pg, layer), SkipVerify: layer.InsecureSkipVerify}
	}
}

// roots are the certificate authorities that a group trusts. A bundle that is
// not there, or holds none, trusts nobody rather than everybody.
func (a *agent) roots(spec *v1alpha1.ProbeAssignmentSpec, pg *v1alpha1.ProbeGroup, layer *v1alpha1.TLSLayer) *x509.CertPool {
	text := layer.CABundle
	switch row := pg.CABundle; {
	case layer.InsecureSkipVerify:
		return nil
	case row != nil && (*row < 0 || int(*row) >= len(spec.CABundles)):
		return x509.NewCertPool()
	case row != nil:
		text = spec.CABundles[*row]
	case text == "":
		return a.publicRoots()
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(text))
	return pool
}

// publicRoots are the certificate authorities of the system. The image has
// none: then those of Mozilla that the program brings along.
func publicRoots() *x509.CertPool {
	if pool, err := x509.SystemCertPool(); err == nil && !pool.Equal(x509.NewCertPool()) {
		return pool
	}
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		switch {
		case err != nil: // of a kind that this version of Go refuses
		case root.Constraint == nil:
			pool.AddCert(cert)
		default:
			pool.AddCertWithConstraint(cert, root.Constraint)
		}
	}
	return pool
}
