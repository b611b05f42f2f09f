// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// webhook is what Alertmanager notifies: a server of the test, on a node.
type webhook struct {
	url string

	mu       sync.Mutex
	received []notification
}

// notification is one alert of a notification, and when it came.
type notification struct {
	at time.Time
	alert
}

func (n notification) String() string {
	return fmt.Sprintf("%s %s %s: %s", n.at.Format(time.TimeOnly), n.Status, n.key(), n.Annotations["summary"])
}

// key tells one alert from another.
func (n notification) key() string {
	labels := make([]string, 0, len(n.Labels))
	for name, value := range n.Labels {
		if name != "alertname" {
			labels = append(labels, name+"="+value)
		}
	}
	slices.Sort(labels)
	return n.name() + "{" + strings.Join(labels, ",") + "}"
}

// receive listens on the node of Alertmanager until the test ends.
func receive(t *testing.T) *webhook {
	t.Helper()
	node := &corev1.Node{}
	if err := kube.Get(t.Context(), client.ObjectKey{Name: monitoringNode}, node); err != nil {
		t.Fatal(err)
	}
	address := ""
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			address = a.Address
		}
	}
	listener, err := onNode(monitoringNode, func() (net.Listener, error) {
		return net.Listen("tcp", net.JoinHostPort(address, "0"))
	})
	if err != nil {
		t.Fatalf("listen on %s: %v", monitoringNode, err)
	}
	w := &webhook{url: "http://" + listener.Addr().String() + "/alerts"}
	server := &http.Server{Handler: w, ReadTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // until it is closed
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return w
}

func (w *webhook) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	var message struct {
		Alerts []alert `json:"alerts"`
	}
	if err := json.NewDecoder(io.LimitReader(request.Body, 4<<20)).Decode(&message); err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range message.Alerts {
		w.received = append(w.received, notification{time.Now(), a})
	}
}

// since are the notifications after a moment.
func (w *webhook) since(moment time.Time) []notification {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.received), func(n notification) bool { return n.at.Before(moment) })
}

// open are the alerts that were told and not yet called resolved.
func (w *webhook) open() []notification {
	last := map[string]notification{}
	for _, n := range w.since(time.Time{}) {
		last[n.key()] = n
	}
	var open []notification
	for _, n := range last {
		if n.Status != "resolved" {
			open = append(open, n)
		}
	}
	return open
}

// end is when an alert was called resolved after a notification.
func (w *webhook) end(told notification) time.Time {
	for _, n := range w.since(told.at) {
		if n.key() == told.key() && n.Status == "resolved" {
			return n.at
		}
	}
	return time.Time{}
}
