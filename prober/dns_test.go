// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/prober/schedule"
)

// Each server that a group asks is a pair of its own, and the series of the path
// tells of the most costly lookup.
func TestServersAreAskedOneByOne(t *testing.T) {
	a := newAgent(Options{NodeName: "node0", PodUID: "uid", Log: logr.Discard()}, nil)
	spec := tcpSpec("a-1", "10.0.0.1", "10.0.0.2")
	g := &spec.Groups[0]
	g.Kind, g.DNS = v1alpha1.ProbeDNS, &v1alpha1.DNSTarget{
		Name: "api.example.com", Type: v1alpha1.DNSTypeA, Answers: []string{"192.0.2.1"}, Resolver: v1alpha1.DNSEachReplica,
	}
	a.tracker.Update(&spec, nil, time.Now())
	groups, paths, _ := a.groups(&spec)
	a.metrics.keep(paths)
	if len(groups[0].Pairs) != 2 {
		t.Fatalf("%d pairs", len(groups[0].Pairs))
	}
	for i, p := range groups[0].Pairs {
		q := p.Target.DNS
		if q.Server != p.Target.Addr || !q.Server.IsValid() || len(q.Answers) != 1 || q.Name != "api.example.com" {
			t.Errorf("pair %s: %+v", p.Key, q)
		}
		p.Recorder.Record(&schedule.Outcome{Result: probe.Result{Verdict: probe.Connected, Queries: 5 - i}, At: time.Now()})
	}
	shown := strings.Join(series(t, a.metrics), "")
	if !strings.Contains(shown, "netladder_dns_queries_per_lookup{") || !strings.Contains(shown, "} 5\n") {
		t.Error(shown)
	}
	if status, _ := a.tracker.Snapshot(); status[0].Queries != 5 {
		t.Errorf("%+v", status)
	}

	g.Hash, g.DNS.Resolver = "b-1", ""
	a.tracker.Update(&spec, nil, time.Now())
	groups, _, _ = a.groups(&spec)
	if len(groups[0].Pairs) != 1 || groups[0].Pairs[0].Target.DNS.Server.IsValid() {
		t.Errorf("by resolv.conf: %+v", groups[0].Pairs)
	}
}
