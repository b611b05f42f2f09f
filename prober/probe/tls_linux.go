// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// probeTLS connects and makes a TLS handshake, which verifies the certificate.
func probeTLS(ctx context.Context, t Target) Result {
	if t.TLS == nil {
		t.TLS = &TLSClient{}
	}
	r := begin(t)
	if res, ok := r.aim(ctx); !ok {
		return res
	}
	s, f := r.dial(ctx, overTCP)
	defer s.close()
	if f != nil {
		return r.fail(f)
	}
	r.phase("connect", s.connect)
	secured, d := r.secure(s, "")
	if secured == nil {
		return r.judge(d)
	}
	state := secured.ConnectionState()
	what := tls.VersionName(state.Version) + ", the certificate is valid until " + date(r.notAfter)
	if t.TLS.SkipVerify {
		what = tls.VersionName(state.Version) + ", the certificate was not verified"
	}
	return r.end(diagnosis{verdict: Connected, evidence: what})
}

// secure makes a TLS handshake on a connection. It needs no context: the
// socket ends with that.
func (r *run) secure(s *sock, protocol string) (*tls.Conn, diagnosis) {
	config := &tls.Config{
		ServerName:             r.serverName(),
		RootCAs:                r.target.TLS.Roots,
		InsecureSkipVerify:     r.target.TLS.SkipVerify,
		SessionTicketsDisabled: true,
		MinVersion:             tls.VersionTLS12,
	}
	if protocol != "" {
		config.NextProtos = []string{protocol}
	}
	began := time.Now()
	secured := tls.Client(newConn(s), config)
	if err := secured.Handshake(); err != nil {
		return nil, r.handshakeFailure(err, config.ServerName)
	}
	r.phase("tls", time.Since(began))
	r.notAfter = validUntil(secured.ConnectionState())
	return secured, diagnosis{}
}

// serverName is who the certificate must be for.
func (r *run) serverName() string {
	switch t := &r.target; {
	case t.TLS.ServerName != "":
		return t.TLS.ServerName
	case t.Host.Name != "":
		return strings.TrimSuffix(t.Host.Name, ".")
	default:
		return t.Addr.Addr().Unmap().WithZone("").String()
	}
}

// validUntil is when the certificate stops being one to trust: the first end
// in the chain that lasts longest; unverified, the certificate's own.
func validUntil(state tls.ConnectionState) time.Time {
	var until time.Time
	for _, chain := range state.VerifiedChains {
		end := chain[0].NotAfter
		for _, cert := range chain[1:] {
			if cert.NotAfter.Before(end) {
				end = cert.NotAfter
			}
		}
		if end.After(until) {
			until = end
		}
	}
	if until.IsZero() && len(state.PeerCertificates) > 0 {
		until = state.PeerCertificates[0].NotAfter
	}
	return until
}

// handshakeFailure tells a network fault from one of TLS. The texts are our
// own, with dates at most: errors of crypto/tls and crypto/x509 hold what the
// peer sent.
func (r *run) handshakeFailure(err error, name string) diagnosis {
	const before = "in the TLS handshake: "
	if d, ok := brokenOff(err, before); ok {
		return d
	}
	d := diagnosis{verdict: TLSError, evidence: "what the server sent in the TLS handshake is malformed or unacceptable"}
	var (
		noTLS      tls.RecordHeaderError
		unverified *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &unverified):
		d.evidence = r.untrusted(unverified, name)
	case errors.As(err, &noTLS):
		d.evidence = "the server answers, but not by TLS"
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		d.evidence = before + "closed by the server"
	case errors.Is(err, errTooMuch):
		d.evidence = fmt.Sprintf("the server sent more than %d bytes in the TLS handshake", maxWire)
	}
	return d
}

// untrusted says what is wrong with a certificate. Only of one that is of the
// wrong time, the first thing that is looked at, the end is kept: any other may
// be anybody's.
func (r *run) untrusted(err *tls.CertificateVerificationError, name string) string {
	var (
		invalid   x509.CertificateInvalidError
		hostname  x509.HostnameError
		authority x509.UnknownAuthorityError
		system    x509.SystemRootsError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		now := time.Now()
		r.notAfter = invalid.Cert.NotAfter
		if now.Before(invalid.Cert.NotBefore) {
			return "the certificate is not valid before " + date(invalid.Cert.NotBefore)
		}
		return "the certificate expired on " + date(invalid.Cert.NotAfter)
	case errors.As(err, &hostname):
		return "the certificate is not for the name " + name
	case errors.As(err, &authority):
		if cert := err.UnverifiedCertificates; len(cert) == 1 && string(cert[0].RawIssuer) == string(cert[0].RawSubject) {
			return "the certificate is self-signed and not among the trusted ones: trust it by caBundle"
		}
		return "the certificate is by an authority that is not trusted, or the server does not send the whole chain"
	case errors.As(err, &system):
		return "no certificate authority is trusted here: set caBundle"
	default:
		return "the certificate cannot be verified: it is not for servers, or not well formed"
	}
}

// date writes a day the way calendars do, in UTC.
func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// alertOf returns the name of the alert that the server ended TLS with; empty
// for any other error. The names are those of crypto/tls.
func alertOf(err error) string {
	var remote *net.OpError
	if errors.As(err, &remote) && remote.Op == "remote error" && remote.Err != nil {
		return strings.TrimPrefix(remote.Err.Error(), "tls: ")
	}
	return ""
}
