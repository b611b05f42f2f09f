// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"
)

// serverName is who the certificates of these tests are for.
const serverName = "shop.example.com"

// lifetime of the certificates of these tests, to the second as they have it.
func lifetime() (from, until time.Time) {
	now := time.Now().Truncate(time.Second).UTC()
	return now.Add(-24 * time.Hour), now.Add(30 * 24 * time.Hour)
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// roots is a pool that trusts it alone.
func (a *authority) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// certificate is a template of one for serverName.
func certificate() *x509.Certificate {
	from, until := lifetime()
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "secret"}, NotBefore: from, NotAfter: until,
		DNSNames: []string{serverName}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// sign makes a key and signs its certificate, by itself without an authority.
func sign(t *testing.T, by *authority, template *x509.Certificate) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	out := &authority{key: key}
	if by == nil {
		by = &authority{cert: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	if out.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return out
}

func newAuthority(t *testing.T, by *authority, name string) *authority {
	t.Helper()
	template := certificate()
	template.Subject.CommonName, template.DNSNames, template.ExtKeyUsage = name, nil, nil
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	template.NotAfter = template.NotAfter.AddDate(10, 0, 0)
	return sign(t, by, template)
}

// issue makes a server's certificate, changed by edit, with the chain.
func issue(t *testing.T, by *authority, edit func(*x509.Certificate), chain ...*authority) tls.Certificate {
	t.Helper()
	template := certificate()
	if edit != nil {
		edit(template)
	}
	leaf := sign(t, by, template)
	out := tls.Certificate{Certificate: [][]byte{leaf.cert.Raw}, PrivateKey: leaf.key, Leaf: leaf.cert}
	for _, c := range chain {
		out.Certificate = append(out.Certificate, c.cert.Raw)
	}
	return out
}

// byTLS serves a connection by TLS.
func byTLS(config *tls.Config, serve func(*tls.Conn)) func(*net.TCPConn) {
	return func(conn *net.TCPConn) {
		secured := tls.Server(conn, config)
		if secured.Handshake() == nil && serve != nil {
			serve(secured)
		}
		_, _ = conn.Read(make([]byte, 1)) // until the probe is done
	}
}

func addresses(of ...netip.Addr) []net.IP {
	out := make([]net.IP, 0, len(of))
	for _, a := range of {
		out = append(out, a.AsSlice())
	}
	return out
}
