// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"slices"

	"github.com/netladder/netladder/api/v1alpha1"
)

// hasLayer says whether a path tests more than the connection.
func hasLayer(p *v1alpha1.Path) bool { return p.HTTP != nil || p.TLS != nil || p.GRPC != nil }

// tlsOf is how the layer of a path or of a group speaks TLS; nil for in the
// clear.
func tlsOf(http *v1alpha1.HTTPLayer, tls *v1alpha1.TLSLayer, grpc *v1alpha1.GRPCLayer) *v1alpha1.TLSLayer {
	switch {
	case http != nil:
		return http.TLS
	case grpc != nil:
		return grpc.TLS
	default:
		return tls
	}
}

// defaultLayer writes out the defaults of a path's layer. Who the certificate
// must be for is left to the prober where that is what it dials.
func defaultLayer(p *v1alpha1.Path) {
	h := p.HTTP
	if h == nil {
		return
	}
	h.Scheme = orText(h.Scheme, v1alpha1.SchemeHTTP)
	h.Path = orText(h.Path, "/")
	h.Method = orText(h.Method, v1alpha1.HTTPGet)
	slices.Sort(h.ExpectedStatuses)
	if h.Scheme != v1alpha1.SchemeHTTPS {
		return
	}
	if h.TLS == nil {
		h.TLS = &v1alpha1.TLSLayer{}
	}
	name := h.Host
	if host, _, err := net.SplitHostPort(h.Host); err == nil {
		name = host
	}
	h.TLS.ServerName = orText(h.TLS.ServerName, name)
}

// malformedLayer refuses what the schema of this version refuses as well.
func malformedLayer(p *v1alpha1.Path) *idle {
	to := &p.To
	switch {
	case !hasLayer(p):
		return nil
	case count(p.HTTP != nil, p.TLS != nil, p.GRPC != nil) != 1:
		return unsupported("a path has at most one of http, tls and grpc; remove one of them")
	case to.Service == nil && to.Pods == nil && to.Host == nil || protocolOf(to) == v1alpha1.ProtocolUDP:
		return unsupported("http, tls and grpc go with to.service, to.pods and to.host by TCP; change to, or remove the layer")
	case p.HTTP != nil && p.HTTP.Scheme != v1alpha1.SchemeHTTP && p.HTTP.Scheme != v1alpha1.SchemeHTTPS:
		return unsupported("this version of Netladder knows only http.scheme HTTP and HTTPS; set one of them, or upgrade")
	case p.HTTP != nil && p.HTTP.TLS != nil && p.HTTP.Scheme != v1alpha1.SchemeHTTPS:
		return unsupported("http.tls needs scheme HTTPS; set http.scheme to HTTPS, or remove http.tls")
	}
	return nil
}

// invalidCABundle refuses a caBundle that no prober could read.
func invalidCABundle(p *v1alpha1.Path) *idle {
	layer := tlsOf(p.HTTP, p.TLS, p.GRPC)
	if layer == nil || layer.CABundle == "" {
		return nil
	}
	refused := func(why string) *idle {
		return &idle{reason: v1alpha1.ReasonInvalidCABundle, message: "caBundle " + why + "; set it to certificates in PEM"}
	}
	if len(layer.CABundle) > v1alpha1.MaxCABundle {
		return refused(fmt.Sprintf("is longer than %d bytes", v1alpha1.MaxCABundle))
	}
	rest, found := []byte(layer.CABundle), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if found++; block.Type != "CERTIFICATE" {
			return refused("holds something else than certificates")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			// What the error says may quote the bundle.
			return refused(fmt.Sprintf("holds a certificate that cannot be parsed, number %d of it", found))
		}
	}
	if found == 0 {
		return refused("holds no certificate")
	}
	return nil
}

// setLayer gives a probe the layer of its path. The caBundle stands beside the
// group: in an assignment, groups share it.
func (p *compiledProbe) setLayer(path *v1alpha1.Path) {
	g := &p.group
	switch g.Kind {
	case v1alpha1.ProbeHTTP:
		g.HTTP = path.HTTP.DeepCopy()
	case v1alpha1.ProbeTLS:
		g.TLS = path.TLS.DeepCopy()
	case v1alpha1.ProbeGRPC:
		g.GRPC = path.GRPC.DeepCopy()
	}
	layer := tlsOf(g.HTTP, g.TLS, g.GRPC)
	if layer == nil {
		return
	}
	p.caBundle, layer.CABundle = layer.CABundle, ""
	if s := path.To.Service; s != nil && layer.ServerName == "" {
		layer.ServerName, p.namedByService = s.Name+"."+s.Namespace+".svc", true
	}
}

// bundleSize is how much of an assignment a caBundle takes.
func bundleSize(bundle string) int { return len(mustJSON(bundle)) + len(",") }
