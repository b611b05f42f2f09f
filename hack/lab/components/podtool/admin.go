// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// appCounters is the answer to GET /counters.
type appCounters struct {
	Listeners []string `json:"listeners"` // "KIND ADDRESS"
	databaseCounters
	HTTPRequests int `json:"httpRequests"`
	Datagrams    int `json:"datagrams"`
}

// adminHandler serves
//
//	GET  /counters
//	GET  /ca                        (the authority of the certificate, PEM)
//	POST /certificate?name=NAME&valid=DURATION
//	POST /listen?proto=tcp|udp|udp-silent|http|https|tls&addr=ADDRESS[&v6only=true]
//	POST /close?…                   (the same)
//	POST /health?status=200|503     (what HTTP listeners answer)
func (a *app) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /counters", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a.counters())
	})
	mux.HandleFunc("GET /ca", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(a.authority.pem())
	})
	mux.HandleFunc("POST /certificate", func(w http.ResponseWriter, r *http.Request) {
		valid, err := time.ParseDuration(r.FormValue("valid"))
		if err == nil {
			err = a.authority.issue(r.FormValue("name"), valid)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	mux.HandleFunc("POST /listen", a.change(a.open))
	mux.HandleFunc("POST /close", a.change(a.close))
	mux.HandleFunc("POST /health", func(w http.ResponseWriter, r *http.Request) {
		status, err := strconv.Atoi(r.FormValue("status"))
		if err != nil || status < http.StatusOK || status > 599 {
			http.Error(w, "status: want a number of 200 to 599", http.StatusBadRequest)
			return
		}
		a.mu.Lock()
		a.health = status
		a.mu.Unlock()
	})
	return mux
}

// change applies do to the listener that the request names. An address without a host is written ":8080" and binds to ::.
func (a *app) change(do func(listenerKey) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key := listenerKey{kind: kind(r.FormValue("proto")), address: r.FormValue("addr"), v6only: r.FormValue("v6only") == "true"}
		if err := do(key); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	}
}

func (a *app) counters() appCounters {
	a.mu.Lock()
	defer a.mu.Unlock()
	listeners := []string{}
	for key := range a.listeners {
		listeners = append(listeners, key.String())
	}
	slices.Sort(listeners)
	return appCounters{
		Listeners: listeners, databaseCounters: a.database.counters(), HTTPRequests: a.requests, Datagrams: a.datagrams,
	}
}
