// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
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
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	httpClient := &http.Client{Transport: &http.Transport{
		Dial:              func(string, string) (net.Conn, error) { return conn, nil },
		DisableKeepAlives: true,
	}}
	resp, err := httpClient.Get("http://" + pod.Status.PodIP + "/metrics")
	if err != nil {
		t.Fatalf("scrape %s: %v", pod.Name, err)
	}
	defer resp.Body.Close()
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
	type dialled struct {
		conn net.Conn
		err  error
	}
	result := make(chan dialled, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, so no other
		// goroutine can find itself on that node.
		runtime.LockOSThread()
		ns, err := netns.GetFromName(labName + "-" + node)
		if err != nil {
			result <- dialled{nil, fmt.Errorf("network namespace of %s: %w", node, err)}
			return
		}
		defer ns.Close()
		if err := netns.Set(ns); err != nil {
			result <- dialled{nil, fmt.Errorf("enter %s: %w", node, err)}
			return
		}
		conn, err := net.DialTimeout("tcp", address, 10*time.Second)
		result <- dialled{conn, err}
	}()
	r := <-result
	return r.conn, r.err
}
