// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	corev1 "k8s.io/api/core/v1"
)

// metric sums the series of a metric whose labels hold every fragment.
func metric(t *testing.T, pod *corev1.Pod, name string, fragments ...string) float64 {
	t.Helper()
	sum := 0.0
series:
	for line := range strings.Lines(scrape(t, pod)) {
		if !strings.HasPrefix(line, name+"{") && !strings.HasPrefix(line, name+" ") {
			continue
		}
		for _, f := range fragments {
			if !strings.Contains(line, f) {
				continue series
			}
		}
		fields := strings.Fields(line)
		v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			t.Fatalf("metric line %q: %v", line, err)
		}
		sum += v
	}
	return sum
}

// scrape reads /metrics of a pod from its own node, without the API server,
// which may be away.
func scrape(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	conn, err := dialOnNode(pod.Spec.NodeName, net.JoinHostPort(pod.Status.PodIP, metricsPort(t, pod)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	httpClient := &http.Client{Transport: &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		DisableKeepAlives: true,
	}}
	resp, err := httpClient.Get("http://" + pod.Status.PodIP + "/metrics")
	if err != nil {
		t.Fatalf("scrape %s: %v", pod.Name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("scrape %s: %s, %v", pod.Name, resp.Status, err)
	}
	return string(body)
}

func metricsPort(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == "metrics" {
				return strconv.Itoa(int(p.ContainerPort))
			}
		}
	}
	t.Fatalf("pod %s has no port named metrics", pod.Name)
	return ""
}

// dialOnNode dials from a lab node's network namespace.
func dialOnNode(node, address string) (net.Conn, error) {
	return onNode(node, func() (net.Conn, error) { return net.DialTimeout("tcp", address, 10*time.Second) })
}

// onNode makes a socket in a lab node's network namespace, where it stays.
func onNode[T any](node string, open func() (T, error)) (T, error) {
	type result struct {
		socket T
		err    error
	}
	results := make(chan result, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, so no other
		// goroutine can find itself on that node.
		runtime.LockOSThread()
		var r result
		defer func() { results <- r }()
		ns, err := netns.GetFromName(labName + "-" + node)
		if err != nil {
			r.err = fmt.Errorf("network namespace of %s: %w", node, err)
			return
		}
		defer func() { _ = ns.Close() }()
		if r.err = netns.Set(ns); r.err != nil {
			r.err = fmt.Errorf("enter %s: %w", node, r.err)
			return
		}
		r.socket, r.err = open()
	}()
	r := <-results
	return r.socket, r.err
}
