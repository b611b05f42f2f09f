// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package apiaccess

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/netladder/netladder/api/v1alpha1"
)

// certificate makes a self-signed one for a name.
func certificate(t *testing.T, name string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// server is an API server that says which token it was given.
func server(t *testing.T, cert tls.Certificate) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto+" "+r.Header.Get("Authorization"))
		if r.URL.Path == "/watch" {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.Listener.Addr().String()
}

// silent accepts connections and never says a word.
func silent(t *testing.T) string {
	t.Helper()
	l := listen(t)
	return l.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// closed is an address at which nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	l := listen(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func writeFile(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func fleetFile(t *testing.T, servers ...string) string {
	t.Helper()
	text, err := json.Marshal(v1alpha1.Fleet{APIServers: servers})
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, filepath.Join(t.TempDir(), v1alpha1.FleetFile), text)
}

func options(t *testing.T, ca []byte, clusterIP, fleet string) Options {
	t.Helper()
	dir := t.TempDir()
	return Options{
		ClusterIP: clusterIP, FleetFile: fleet,
		TokenFile: writeFile(t, filepath.Join(dir, "token"), []byte("secret")),
		CAFile:    writeFile(t, filepath.Join(dir, "ca.crt"), ca),
	}
}

func client(t *testing.T, c *rest.Config) *http.Client {
	t.Helper()
	h, err := rest.HTTPClientFor(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Transport.(*http.Transport).CloseIdleConnections)
	return h
}

func get(ctx context.Context, h *http.Client) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+serverName+"/", nil)
	if err != nil {
		return "", err
	}
	resp, err := h.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

func TestReachesTheAPIServer(t *testing.T) {
	cert, ca := certificate(t, serverName)
	impostor, _ := certificate(t, serverName)
	alive := server(t, cert)
	for name, tc := range map[string]struct {
		clusterIP string
		fleet     string
		fails     bool
	}{
		"by the ClusterIP":                     {clusterIP: alive, fleet: filepath.Join(t.TempDir(), "absent")},
		"ClusterIP refused":                    {clusterIP: closed(t), fleet: fleetFile(t, alive)},
		"ClusterIP silent":                     {clusterIP: silent(t), fleet: fleetFile(t, closed(t), alive)},
		"somebody else answers":                {clusterIP: server(t, impostor), fleet: fleetFile(t, alive)},
		"nobody":                               {clusterIP: closed(t), fleet: fleetFile(t, closed(t)), fails: true},
		"impostors only":                       {clusterIP: server(t, impostor), fleet: fleetFile(t, server(t, impostor)), fails: true},
		"a name in the fleet file is no route": {clusterIP: closed(t), fleet: fleetFile(t, strings.Replace(alive, "127.0.0.1", "localhost", 1)), fails: true},
		"nonsense in the fleet file":           {clusterIP: alive, fleet: writeFile(t, filepath.Join(t.TempDir(), "f"), []byte("}{"))},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := get(t.Context(), client(t, options(t, ca, tc.clusterIP, tc.fleet).Config()))
			if tc.fails {
				if err == nil {
					t.Fatalf("got %q from nowhere", text)
				}
				return
			}
			if err != nil || text != "HTTP/2.0 Bearer secret" {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}

func TestRemembersWhatWorked(t *testing.T) {
	cert, ca := certificate(t, serverName)
	var dead atomic.Int64
	l := listen(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			dead.Add(1)
			_ = c.Close()
		}
	}()
	clk := clocktesting.NewFakePassiveClock(time.Unix(1e9, 0))
	o := options(t, ca, l.Addr().String(), fleetFile(t, server(t, cert)))
	o.Clock = clk
	config := o.Config()
	h := client(t, config)
	ask := func(want int64) {
		t.Helper()
		config.Transport.(*http.Transport).CloseIdleConnections()
		if _, err := get(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		if got := dead.Load(); got != want {
			t.Errorf("the dead ClusterIP was tried %d times, want %d", got, want)
		}
	}
	ask(1)
	ask(1)
	clk.SetTime(clk.Now().Add(remember))
	ask(2)
	ask(2)
}

func TestFleetFileIsReadAnew(t *testing.T) {
	cert, ca := certificate(t, serverName)
	fleet := fleetFile(t)
	h := client(t, options(t, ca, closed(t), fleet).Config())
	if _, err := get(t.Context(), h); err == nil {
		t.Fatal("there is nobody yet")
	}
	writeFile(t, fleet, []byte(`{"apiServers":["`+server(t, cert)+`"]}`))
	if _, err := get(t.Context(), h); err != nil {
		t.Error(err)
	}
}

func TestHostileFleetFile(t *testing.T) {
	many := make([]string, 1000)
	for i := range many {
		many[i] = net.JoinHostPort("10.0.0.1", "443")
	}
	if got := (Options{FleetFile: fleetFile(t, many...)}).fleet(); len(got) != maxFleetServers {
		t.Errorf("%d servers", len(got))
	}
	huge := writeFile(t, filepath.Join(t.TempDir(), "f"), []byte(`{"apiServers":["10.0.0.1:443"]}`+strings.Repeat(" ", maxFleetBytes)))
	if got := (Options{FleetFile: huge}).fleet(); len(got) != 0 {
		t.Errorf("%d servers from a file that is too large", len(got))
	}
	if got := (Options{FleetFile: fleetFile(t, "", "x:1", "10.0.0.1:0", "10.0.0.1", "[fe80::1%lo]:443")}).fleet(); len(got) != 0 {
		t.Errorf("took %v for servers", got)
	}
}

// A watch whose packets vanish ends, and the next request finds another way.
func TestSilentConnectionIsNoticed(t *testing.T) {
	cert, ca := certificate(t, serverName)
	alive := server(t, cert)
	way, cut := relay(t, alive)
	o := options(t, ca, way, fleetFile(t, alive))
	o.PingAfter, o.PingTimeout = 100*time.Millisecond, 100*time.Millisecond
	h := client(t, o.Config())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+serverName+"/watch", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := h.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	cut()
	ended := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(resp.Body)
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the watch ended as if all were well")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the watch hangs")
	}
	if _, err := get(t.Context(), h); err != nil {
		t.Errorf("after the cut: %v", err)
	}
}

// relay passes bytes on until it is cut; then it is silent, also to new
// connections.
func relay(t *testing.T, to string) (addr string, cut func()) {
	t.Helper()
	l := listen(t)
	var isCut atomic.Bool
	pass := func(dst, src net.Conn) {
		buf := make([]byte, 32<<10)
		for {
			n, err := src.Read(buf)
			if isCut.Load() {
				<-t.Context().Done()
				err = net.ErrClosed
			}
			if err == nil {
				_, err = dst.Write(buf[:n])
			}
			if err != nil {
				_ = dst.Close()
				return
			}
		}
	}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			go pass(in, out)
			go pass(out, in)
		}
	}()
	return l.Addr().String(), func() { isCut.Store(true) }
}
