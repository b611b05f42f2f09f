// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestCertificateCanBeReplaced(t *testing.T) {
	a, address := openApp(t, "https")
	admin := httptest.NewServer(a.adminHandler())
	defer admin.Close()
	response, err := http.Get(admin.URL + "/ca")
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(bundle) {
		t.Fatalf("no authority: %q, %v", bundle, err)
	}
	ask := func(name string) error {
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
		}
		response, err := (&http.Client{Transport: transport}).Get("https://" + address + "/health")
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	replace := func(query string, want int) {
		t.Helper()
		response, err := http.Post(admin.URL+"/certificate?"+query, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %s, want %d", query, response.Status, want)
		}
	}
	if err := ask("shop.example.com"); err != nil {
		t.Error(err)
	}
	var hostname x509.HostnameError
	if err := ask("other.example.com"); !errors.As(err, &hostname) {
		t.Errorf("for another name: %v", err)
	}
	replace("name=shop.example.com&valid=-1m", http.StatusOK)
	var invalid x509.CertificateInvalidError
	if err := ask("shop.example.com"); !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		t.Errorf("after its end: %v", err)
	}
	replace("name=10.1.2.3&valid=1h", http.StatusOK)
	if err := ask("10.1.2.3"); err != nil {
		t.Errorf("for an address: %v", err)
	}
	replace("valid=1h", http.StatusBadRequest)
	replace("name=shop.example.com&valid=long", http.StatusBadRequest)
}

func TestTLSListenerCountsAsADatabase(t *testing.T) {
	a, address := openApp(t, "tls")
	roots := x509.NewCertPool()
	roots.AddCert(a.authority.certificate)
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: "shop.example.com", MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	eventually(t, func() bool { return a.database.counters().Interrupted == 1 })
}

func TestServeHostnameAnswersEverything(t *testing.T) {
	_, port, _ := strings.Cut(freeAddress(t), ":")
	go func() { _ = serveHostname(t.Context(), []string{"--port=" + port}) }()
	eventually(t, func() bool {
		response, err := (&http.Client{Timeout: time.Second}).Get("http://127.0.0.1:" + port + "/any/path")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	if err := serveHostname(t.Context(), []string{"--udp=true"}); err == nil {
		t.Error("an unknown flag is taken")
	}
}
