// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/go-logr/logr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

// BenchmarkAgentPlaces is BenchmarkAgent by where the probes start and what
// they do: from the prober's own namespace and from a pod's, with a full
// handshake and with half of one. All of them go over a loopback interface.
func BenchmarkAgentPlaces(b *testing.B) {
	netns.Require(b)
	for _, rate := range []int{200, 1000} {
		for _, place := range []struct {
			name string
			from v1alpha1.SourceKind
			kind v1alpha1.ProbeKind
		}{
			{"own namespace, full", v1alpha1.SourceProber, v1alpha1.ProbeTCP},
			{"pod, full", v1alpha1.SourcePods, v1alpha1.ProbeTCP},
			{"own namespace, half-open", v1alpha1.SourceProber, v1alpha1.ProbeTCPHalfOpen},
			{"pod, half-open", v1alpha1.SourcePods, v1alpha1.ProbeTCPHalfOpen},
		} {
			b.Run(fmt.Sprintf("%d per second/%s", rate, place.name), func(b *testing.B) {
				pod := netns.New(b, "pod")
				node := newNode(b, netns.New(b, "host"))
				node.start(b, frontUID, pod)
				a := newAgent(Options{NodeName: "node0", PodUID: "uid", Log: logr.Discard(), Probes: probe.Kinds()}, nowhere{})
				a.setLevel(Options{Level: v1alpha1.LevelFull, ProcRoot: node.proc})
				defer a.release()
				accept := acceptor
				if place.from == v1alpha1.SourcePods {
					accept = func(b *testing.B) string { return acceptorIn(b, pod) }
				}
				_, port, err := net.SplitHostPort(accept(b))
				if err != nil {
					b.Fatal(err)
				}
				n, err := strconv.ParseInt(port, 10, 32)
				if err != nil {
					b.Fatal(err)
				}
				spec := benchSpec(rate, int32(n))
				spec.Pods = []v1alpha1.AssignedPod{{UID: frontUID, Namespace: "ns", Name: "pod", IPs: []string{"127.0.0.1"}}}
				for i := range spec.Groups {
					g := &spec.Groups[i]
					g.Kind, g.From = place.kind, place.from
					if g.From == v1alpha1.SourcePods {
						g.Sources = []int32{0}
					}
				}
				measureAgent(b, a, spec)
			})
		}
	}
}

// acceptorIn is acceptor inside a namespace.
func acceptorIn(b *testing.B, ns *netns.NS) string {
	b.Helper()
	ip, err := exec.LookPath("ip")
	if err != nil {
		b.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	return acceptorBy(b, ip, "netns", "exec", ns.Name, exe)
}
