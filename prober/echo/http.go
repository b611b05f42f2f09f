// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package echo

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
)

// maxHeaderBytes of a request; net/http adds 4 KiB to it.
const maxHeaderBytes = 4 << 10

// Identity is what GET /identity answers, as JSON.
type Identity struct {
	// Node name.
	Node string `json:"node"`
	// PodUID of the echo pod.
	PodUID string `json:"podUID"`
}

// webServer serves HTTP, one request per connection.
func (b *Bound) webServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		b.metrics.request(protocolHTTP)
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /identity", func(w http.ResponseWriter, _ *http.Request) {
		b.metrics.request(protocolHTTP)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(Identity{Node: b.server.NodeName, PodUID: b.server.PodUID})
	})
	return b.newServer(mux)
}

// healthServer serves /healthz and counts nothing: it is not the mesh's.
func (b *Bound) healthServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	return b.newServer(mux)
}

func (b *Bound) newServer(handler http.Handler) *http.Server {
	server := &http.Server{
		Handler:           handler,
		ReadTimeout:       b.server.timeout,
		ReadHeaderTimeout: b.server.timeout,
		WriteTimeout:      b.server.timeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// What strangers send is nothing to log.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server.SetKeepAlivesEnabled(false)
	return server
}
