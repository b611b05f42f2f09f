// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package apiaccess reaches the API server from a pod even while ClusterIPs
// are broken, which is exactly when a prober has something to say: by the
// endpoints in the fleet file.
package apiaccess

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/netladder/netladder/api/v1alpha1"
)

const (
	// serverName is what the API server's certificate is checked against,
	// whatever address it was reached by.
	serverName = "kubernetes.default.svc"
	// serviceAccount is where the kubelet mounts the token and the CA.
	serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

	defaultDialTimeout = time.Second
	handshakeTimeout   = 2 * time.Second
	// remember is for how long an endpoint that worked where the ClusterIP
	// did not is tried first.
	remember = 45 * time.Second

	defaultPingAfter   = 3 * time.Second
	defaultPingTimeout = 2 * time.Second

	// The fleet file is made by the controller from what the API server says
	// of itself; nothing in it is worth more than these.
	maxFleetBytes   = 64 << 10
	maxCABytes      = 1 << 20
	maxFleetServers = 16
)

// Options say where the API server and the credentials are.
type Options struct {
	// ClusterIP and port of the Service default/kubernetes.
	ClusterIP string
	// FleetFile is the path of the file with the API server's endpoints; it
	// need not exist. It is read anew whenever it is needed.
	FleetFile string
	// TokenFile and CAFile of the ServiceAccount; both may change at any time.
	TokenFile, CAFile string
	// DialTimeout for each address; default 1 s.
	DialTimeout time.Duration
	// A connection on which nothing came for PingAfter, default 3 s, is asked
	// for a sign of life, and given up after PingTimeout more, default 2 s: so
	// soon a watch is missed that was cut off silently.
	PingAfter, PingTimeout time.Duration
	// Clock; default the real one.
	Clock clock.PassiveClock
}

// InCluster returns the Options of a pod with a ServiceAccount token.
func InCluster(fleetFile string) (Options, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return Options{}, errors.New("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod")
	}
	return Options{
		ClusterIP: net.JoinHostPort(host, port),
		FleetFile: fleetFile,
		TokenFile: filepath.Join(serviceAccount, "token"),
		CAFile:    filepath.Join(serviceAccount, "ca.crt"),
	}, nil
}

// Config returns a client configuration without a request timeout and
// without a limit of its own on the rate of requests.
func (o Options) Config() *rest.Config {
	if o.DialTimeout <= 0 {
		o.DialTimeout = defaultDialTimeout
	}
	if o.PingAfter <= 0 {
		o.PingAfter = defaultPingAfter
	}
	if o.PingTimeout <= 0 {
		o.PingTimeout = defaultPingTimeout
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	d := &dialer{o: o}
	return &rest.Config{
		Host:            "https://" + serverName,
		BearerTokenFile: o.TokenFile,
		QPS:             -1,
		Transport: &http.Transport{
			DialTLSContext:    d.dial,
			ForceAttemptHTTP2: true,
			HTTP2: &http.HTTP2Config{
				SendPingTimeout: o.PingAfter, PingTimeout: o.PingTimeout, WriteByteTimeout: o.PingAfter + o.PingTimeout,
			},
			MaxIdleConnsPerHost: 2,
			IdleConnTimeout:     90 * time.Second,
		},
	}
}

// dialer finds an address on which the API server answers.
type dialer struct {
	o Options

	mu        sync.Mutex
	preferred string
	until     time.Time
}

// dial returns a TLS connection to the API server. The address that the
// client asks for is only a name and is ignored.
func (d *dialer) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	pool, err := d.o.roots()
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, addr := range d.candidates() {
		conn, err := d.dialOne(ctx, network, addr, pool)
		if err == nil {
			d.worked(addr)
			return conn, nil
		}
		failures = append(failures, fmt.Errorf("API server at %s: %w", addr, err))
		if ctx.Err() != nil {
			break
		}
	}
	d.worked("")
	return nil, errors.Join(failures...)
}

func (d *dialer) dialOne(ctx context.Context, network, addr string, pool *x509.CertPool) (net.Conn, error) {
	plain := net.Dialer{Timeout: d.o.DialTimeout, KeepAlive: 15 * time.Second}
	raw, err := plain.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{
		RootCAs: pool, ServerName: serverName, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	})
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return conn, nil
}

// candidates returns the addresses to try, in this order: what worked lately
// where the ClusterIP did not, the ClusterIP, and the other endpoints.
func (d *dialer) candidates() []string {
	d.mu.Lock()
	preferred := d.preferred
	if !d.o.Clock.Now().Before(d.until) {
		preferred = ""
	}
	d.mu.Unlock()
	var list []string
	add := func(addr string) {
		for _, have := range list {
			if have == addr {
				return
			}
		}
		if addr != "" {
			list = append(list, addr)
		}
	}
	add(preferred)
	add(d.o.ClusterIP)
	servers := d.o.fleet()
	// Many probers fall back at the same moment.
	rand.Shuffle(len(servers), func(i, j int) { servers[i], servers[j] = servers[j], servers[i] })
	for _, s := range servers {
		add(s)
	}
	return list
}

func (d *dialer) worked(addr string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.o.Clock.Now()
	if addr == d.preferred && now.Before(d.until) {
		return // the ClusterIP gets its chance when the time is over
	}
	if addr == d.o.ClusterIP {
		addr = ""
	}
	d.preferred, d.until = addr, now.Add(remember)
}

// roots reads the CA at each connection, because it is rotated.
func (o Options) roots() (*x509.CertPool, error) {
	pem, err := readBounded(o.CAFile, maxCABytes)
	if err != nil {
		return nil, fmt.Errorf("CA of the API server: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA of the API server: no certificate in %s", o.CAFile)
	}
	return pool, nil
}

// fleet returns the endpoints of the fleet file: numeric addresses only, as
// names need a DNS that may be broken too. Without a file that can be read
// there are none.
func (o Options) fleet() []string {
	text, err := readBounded(o.FleetFile, maxFleetBytes)
	if err != nil {
		return nil
	}
	var fleet v1alpha1.Fleet
	if err := json.Unmarshal(text, &fleet); err != nil {
		return nil
	}
	var servers []string
	for _, s := range fleet.APIServers {
		addr, err := netip.ParseAddrPort(s)
		if err != nil || addr.Port() == 0 || addr.Addr().Zone() != "" || len(servers) == maxFleetServers {
			continue
		}
		servers = append(servers, addr.String())
	}
	return servers
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return text, nil
}
