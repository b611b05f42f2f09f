// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
)

// network is what fake probes see: by address, Connected where nothing is set.
type network struct {
	mu       sync.Mutex
	verdicts map[netip.AddrPort]probe.Verdict
	probes   int
}

func (n *network) set(addr string, v probe.Verdict) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.verdicts == nil {
		n.verdicts = map[netip.AddrPort]probe.Verdict{}
	}
	n.verdicts[netip.MustParseAddrPort(addr)] = v
}

func (n *network) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.probes
}

func (n *network) probe(_ context.Context, t probe.Target) probe.Result {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.probes++
	r := probe.Result{Verdict: probe.Connected, Latency: time.Millisecond, Phases: []probe.Phase{{Name: "connect", Duration: time.Millisecond}}}
	if v := n.verdicts[t.Addr]; v != "" {
		r = probe.Result{Verdict: v, Evidence: "so it was told"}
	}
	return r
}

// tcpSpec is one TCP group with an interval of a second.
func tcpSpec(hash string, ips ...string) v1alpha1.ProbeAssignmentSpec {
	s := v1alpha1.ProbeAssignmentSpec{}
	g := v1alpha1.ProbeGroup{
		Key: "shop/orders/to-db/TCP", Hash: hash, Kind: v1alpha1.ProbeTCP, FailureThreshold: 2, SuccessThreshold: 1,
		Interval: metav1.Duration{Duration: time.Second}, Timeout: metav1.Duration{Duration: 500 * time.Millisecond},
	}
	for i, ip := range ips {
		s.Targets = append(s.Targets, v1alpha1.AssignedTarget{IP: ip, Port: 80})
		g.Members = append(g.Members, int32(i))
	}
	s.Groups = []v1alpha1.ProbeGroup{g}
	return s
}

// startProber runs one until the test ends or stop is called.
func startProber(t *testing.T, o Options) (stop func()) {
	t.Helper()
	o.NodeName, o.Log = "node0", logr.Discard()
	if o.PodUID == "" {
		o.PodUID = "pod-new"
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, o) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("the prober does not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

// await returns the first report for which ok holds.
func (f *fakeAPI) await(t *testing.T, what string, ok func(v1alpha1.ProbeAssignmentStatus) bool) v1alpha1.ProbeAssignmentStatus {
	t.Helper()
	deadline := time.After(60 * time.Second)
	var last v1alpha1.ProbeAssignmentStatus
	for {
		select {
		case last = <-f.reports:
			if ok(last) {
				return last
			}
		case <-deadline:
			t.Fatalf("no report of %s; the last: %+v", what, last)
		}
	}
}

func hasCounts(hash string, want v1alpha1.PairCounts) func(v1alpha1.ProbeAssignmentStatus) bool {
	return func(s v1alpha1.ProbeAssignmentStatus) bool {
		return len(s.Groups) == 1 && s.Groups[0].Hash == hash && s.Groups[0].Pairs == want
	}
}

func TestProberEndToEnd(t *testing.T) {
	api, net := newFakeAPI(t), &network{}
	api.setAway(true)
	stop := startProber(t, Options{
		Config: api.config(), Probes: map[probe.Kind]probe.Method{probe.TCP: {Probe: net.probe}},
		ReportMinInterval: 100 * time.Millisecond,
	})
	// It waits for the API server, and for an assignment.
	api.setAway(false)
	net.set("10.0.0.2:80", probe.Dropped)
	api.set(func(a *v1alpha1.ProbeAssignment) *v1alpha1.ProbeAssignment {
		a.Spec = tcpSpec("a-1", "10.0.0.1", "10.0.0.2", "10.0.0.3")
		a.Status.PodUID = "pod-old"
		return a
	})
	s := api.await(t, "a failing pair", hasCounts("a-1", v1alpha1.PairCounts{Passing: 2, Failing: 1}))
	if len(s.NotPassing) != 1 || s.NotPassing[0].Target != "10.0.0.2:80" || s.NotPassing[0].Verdict != v1alpha1.VerdictDropped || s.PodUID != "pod-new" {
		t.Errorf("report %+v", s)
	}

	// It goes on while the API server is away, and tells the newest afterwards.
	api.setAway(true)
	net.set("10.0.0.2:80", probe.Connected)
	net.set("10.0.0.3:80", probe.Refused)
	for before := net.count(); net.count() < before+9; {
		time.Sleep(10 * time.Millisecond)
	}
	api.setAway(false)
	s = api.await(t, "what happened meanwhile", hasCounts("a-1", v1alpha1.PairCounts{Passing: 2, Failing: 1}))
	if s.NotPassing[0].Target != "10.0.0.3:80" {
		t.Errorf("report %+v", s)
	}

	// The pairs change; a pair that stays keeps its state.
	api.set(func(a *v1alpha1.ProbeAssignment) *v1alpha1.ProbeAssignment {
		a.Spec = tcpSpec("a-2", "10.0.0.3", "10.0.0.4")
		return a
	})
	api.await(t, "other pairs", hasCounts("a-2", v1alpha1.PairCounts{Passing: 1, Failing: 1}))

	// Somebody else's status is replaced.
	api.set(func(a *v1alpha1.ProbeAssignment) *v1alpha1.ProbeAssignment {
		a.Status = v1alpha1.ProbeAssignmentStatus{PodUID: "pod-old"}
		return a
	})
	api.await(t, "its own again", hasCounts("a-2", v1alpha1.PairCounts{Passing: 1, Failing: 1}))

	api.set(func(*v1alpha1.ProbeAssignment) *v1alpha1.ProbeAssignment { return nil })
	api.set(func(a *v1alpha1.ProbeAssignment) *v1alpha1.ProbeAssignment {
		a.Spec = tcpSpec("b-1", "10.0.0.1")
		a.Spec.Groups[0].Kind = "Smoke"
		return a
	})
	s = api.await(t, "an unknown kind", hasCounts("b-1", v1alpha1.PairCounts{Unknown: 1}))
	if s.NotPassing[0].Reason != v1alpha1.ReasonUnsupported {
		t.Errorf("report %+v", s)
	}
	stop()
}

func TestRestartedProberSeedsItself(t *testing.T) {
	api, net := newFakeAPI(t), &network{}
	net.set("10.0.0.1:80", probe.Refused)
	since := metav1.NewTime(time.Now().Add(-time.Hour).UTC().Truncate(time.Second))
	api.set(func(a *v1alpha1.ProbeAssignment) *v1alpha1.ProbeAssignment {
		a.Spec = tcpSpec("a-1", "10.0.0.1", "10.0.0.2")
		a.Status = v1alpha1.ProbeAssignmentStatus{
			PodUID: "pod-old", Groups: []v1alpha1.GroupStatus{{Key: a.Spec.Groups[0].Key, Hash: "a-0"}},
			NotPassing: []v1alpha1.PairStatus{{
				Group: a.Spec.Groups[0].Key, Target: "10.0.0.1:80", State: v1alpha1.StateFailing,
				Streak: 100, Verdict: v1alpha1.VerdictRefused, Since: &since,
			}},
		}
		return a
	})
	startProber(t, Options{Config: api.config(), Probes: map[probe.Kind]probe.Method{probe.TCP: {Probe: net.probe}}})
	s := api.await(t, "the old failure", func(v1alpha1.ProbeAssignmentStatus) bool { return true })
	if diff := cmp.Diff(v1alpha1.PairCounts{Passing: 1, Failing: 1}, s.Groups[0].Pairs); diff != "" {
		t.Errorf("the first report (-want +got):\n%s", diff)
	}
	if p := s.NotPassing[0]; p.Streak <= 100 || !p.Since.Equal(&since) {
		t.Errorf("the failure began anew: %+v", p)
	}
}

func TestHealthAndMetrics(t *testing.T) {
	api, net := newFakeAPI(t), &network{}
	api.set(func(a *v1alpha1.ProbeAssignment) *v1alpha1.ProbeAssignment {
		a.Spec = tcpSpec("a-1", "10.0.0.1")
		return a
	})
	a := newTestAgent(t, api, Options{Probes: map[probe.Kind]probe.Method{probe.TCP: {Probe: net.probe}}})
	api.await(t, "anything", hasCounts("a-1", v1alpha1.PairCounts{Passing: 1}))
	for path, want := range map[string]string{
		"/healthz": "", "/readyz": "",
		"/metrics": `netladder_probes_total{check="orders",check_namespace="shop",path="to-db",verdict="Connected"}`,
	} {
		resp, err := http.Get("http://" + a + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !strings.Contains(string(text), want) {
			t.Errorf("%s: %s\n%s", path, resp.Status, text)
		}
	}
}

// newTestAgent runs a prober with a server for metrics and health, and returns
// the server's address.
func newTestAgent(t *testing.T, api *fakeAPI, o Options) string {
	t.Helper()
	o.NodeName, o.PodUID, o.Log = "node0", "pod-new", logr.Discard()
	o.MetricsAddress, o.HealthAddress = "127.0.0.1:0", "127.0.0.1:0"
	client, err := newAPIClient(api.config(), o.NodeName)
	if err != nil {
		t.Fatal(err)
	}
	a := newAgent(o, client)
	servers, err := listen(t.Context(), o, a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.run(ctx, client, servers) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return servers[0].listener.Addr().String()
}
