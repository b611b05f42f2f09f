// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package attempt_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/cmd/netladder/internal/attempt"
)

func labels(key, value string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
}

func TestParseFrom(t *testing.T) {
	for text, want := range map[string]attempt.End{
		"pod/web-0":                   {Kind: attempt.Pod, Name: "web-0"},
		"shop/deploy/web":             {Kind: attempt.Deployment, Namespace: "shop", Name: "web"},
		"sts/db":                      {Kind: attempt.StatefulSet, Name: "db"},
		"app=web":                     {Kind: attempt.Selector, Labels: labels("app", "web")},
		"app.kubernetes.io/name=web":  {Kind: attempt.Selector, Labels: labels("app.kubernetes.io/name", "web")},
		"node/node1":                  {Kind: attempt.Node, Name: "node1"},
		"nodes":                       {Kind: attempt.Nodes},
		"probers":                     {Kind: attempt.Probers},
		"pods":                        {Kind: attempt.AllPods},
		"pod/with.dots":               {Kind: attempt.Pod, Name: "with.dots"},
		"statefulsets/CaseIsKubectls": {Kind: attempt.StatefulSet, Name: "CaseIsKubectls"},
	} {
		got, err := attempt.ParseFrom(text)
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err != nil {
			t.Errorf("%s: %v %s", text, err, d)
		}
	}
	for text, says := range map[string]string{
		"":               "write pod/NAME",
		"web":            "write pod/NAME",
		"svc/api":        "a Service starts no connections; name the workload behind it, such as deploy/api",
		"cronjob/x":      `"cronjob" is no kind that is known here`,
		"pod/":           "which pod? write pod/NAME",
		"deploy/web:80":  "a source has no port; leave out :80",
		"apiserver":      "no probe can start there",
		"dns:x":          "no probe can start there",
		"app=web,(":      "cannot be read",
		"probers:80":     "a source has no port",
		"a/b/c/d":        "write pod/NAME",
		"deploy/web:":    "the port is missing after the colon",
		"https://x.test": "write pod/NAME",
	} {
		if _, err := attempt.ParseFrom(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q in it", text, err, says)
		}
	}
}

func TestParseTo(t *testing.T) {
	port := intstr.FromInt32
	for text, want := range map[string]attempt.End{
		"svc/api:8080":           {Kind: attempt.Service, Name: "api", Port: port(8080)},
		"svc/api:http":           {Kind: attempt.Service, Name: "api", Port: intstr.FromString("http")},
		"svc/api":                {Kind: attempt.Service, Name: "api"}, // the port is looked up
		"svc/api.shop:80":        {Kind: attempt.Service, Namespace: "shop", Name: "api", Port: port(80)},
		"svc/api.shop.svc:80":    {Kind: attempt.Service, Namespace: "shop", Name: "api", Port: port(80)},
		"shop/svc/api:80":        {Kind: attempt.Service, Namespace: "shop", Name: "api", Port: port(80)},
		"svc/dns:53/UDP":         {Kind: attempt.Service, Name: "dns", Port: port(53), Protocol: v1alpha1.ProtocolUDP},
		"svc/api:80/tcp":         {Kind: attempt.Service, Name: "api", Port: port(80)},
		"pod/db-0:5432":          {Kind: attempt.Pod, Name: "db-0", Port: port(5432)},
		"app=db:5432":            {Kind: attempt.Selector, Labels: labels("app", "db"), Port: port(5432)},
		"node/node2":             {Kind: attempt.Node, Name: "node2"},
		"node/node2:10250":       {Kind: attempt.Node, Name: "node2", Port: port(10250)},
		"nodes":                  {Kind: attempt.Nodes},
		"dns:kubernetes.default": {Kind: attempt.DNS, Name: "kubernetes.default", Type: v1alpha1.DNSTypeA},
		"dns:example.com.?aaaa":  {Kind: attempt.DNS, Name: "example.com.", Type: v1alpha1.DNSTypeAAAA},
		"dns:2001:db8::1?PTR":    {Kind: attempt.DNS, Name: "2001:db8::1", Type: v1alpha1.DNSTypePTR},
		"apiserver":              {Kind: attempt.APIServer},
		"mesh":                   {Kind: attempt.Mesh},
		"example.com:443":        {Kind: attempt.Host, Name: "example.com", Port: port(443)},
		"db:5432":                {Kind: attempt.Host, Name: "db", Port: port(5432)},
		"192.0.2.1:80":           {Kind: attempt.Host, Name: "192.0.2.1", Port: port(80)},
		"[2001:db8::1]:443":      {Kind: attempt.Host, Name: "2001:db8::1", Port: port(443)},
		"192.0.2.1:53/udp":       {Kind: attempt.Host, Name: "192.0.2.1", Port: port(53), Protocol: v1alpha1.ProtocolUDP},
	} {
		got, err := attempt.ParseTo(text)
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err != nil {
			t.Errorf("%s: %v %s", text, err, d)
		}
	}
	for text, says := range map[string]string{
		"":                     "write svc/NAME:PORT",
		"api":                  "write svc/NAME:PORT",
		"pod/db-0":             "which port? write pod/db-0:PORT",
		"example.com":          "which port? write example.com:PORT",
		"app=db":               "which port? write app=db:PORT",
		"svc/api:0":            "the port 0 is not from 1 to 65535",
		"svc/api:70000":        "the port 70000 is not from 1 to 65535",
		"svc/api:80/sctp":      `the protocol "sctp" is neither TCP nor UDP`,
		"example.com:https":    `the port "https" is no number`,
		"https://example.com":  "without the scheme, and --http PATH",
		"2001:db8::1":          "in brackets",
		"dns:":                 "which name?",
		"dns:x?HINFO":          `the record type "HINFO" is none of`,
		"mesh:80":              "mesh has no port; leave out :80",
		"probers":              "write mesh for Netladder's own echo pods",
		"pods:80":              "labels and a port such as app=db:5432",
		"daemonset/":           "which daemonset?",
		"configmap/settings:1": "no kind that is known here",
	} {
		if got, err := attempt.ParseTo(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %+v %v, want %q in it", text, got, err, says)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		from, to, http string
		expect         v1alpha1.Expectation
		want           string
	}{
		"own Service":        {"app=web", "svc/api:80", "/healthz", v1alpha1.ExpectAllow, "shop {from: {pods: {podSelector: {matchLabels: {app: web}}}}, to: {service: {name: api, port: 80}}, http: {path: /healthz}}"},
		"other Service":      {"pods", "svc/api.vault:80", "", v1alpha1.ExpectAllow, "shop {from: {pods: {}}, to: {service: {name: api, namespace: vault, port: 80}}}"},
		"other pods":         {"app=web", "app=db:1", "/", v1alpha1.ExpectDeny, ""},
		"from another":       {"vault/pod/x", "svc/api:80", "", v1alpha1.ExpectAllow, "vault {from: {pods: {}}, to: {service: {name: api, namespace: shop, port: 80}}}"},
		"denied":             {"app=web", "app=db:5432", "", v1alpha1.ExpectDeny, "shop {from: {pods: {podSelector: {matchLabels: {app: web}}}}, to: {pods: {podSelector: {matchLabels: {app: db}}, port: 5432}}, expect: Deny}"},
		"probers":            {"probers", "svc/api:80", "", v1alpha1.ExpectAllow, "netladder-system {from: {probers: {}}, to: {service: {name: api, namespace: shop, port: 80}}}"},
		"probers to my pods": {"probers", "app=web:80", "", v1alpha1.ExpectDeny, "shop {from: {probers: {}}, to: {pods: {podSelector: {matchLabels: {app: web}}, port: 80}}, expect: Deny}"},
		"nodes":              {"nodes", "nodes", "", v1alpha1.ExpectAllow, "netladder-system {from: {nodes: {}}, to: {nodes: {}}}"},
		"name":               {"app=web", "dns:a.b", "", v1alpha1.ExpectAllow, "shop {from: {pods: {podSelector: {matchLabels: {app: web}}}}, to: {dns: {name: a.b, type: A}}}"},
		"address":            {"pods", "[2001:db8::1]:53/udp", "", v1alpha1.ExpectAllow, `shop {from: {pods: {}}, to: {host: {ip: "2001:db8::1", port: 53, protocol: UDP}}}`},
		"host":               {"pods", "example.com:443", "", v1alpha1.ExpectAllow, "shop {from: {pods: {}}, to: {host: {hostname: example.com, port: 443}}}"},
		"mesh":               {"probers", "mesh", "", v1alpha1.ExpectAllow, "netladder-system {from: {probers: {}}, to: {mesh: {}}}"},
		"mesh from pods":     {"pods", "mesh", "", v1alpha1.ExpectAllow, ""},
		"denied request":     {"pods", "svc/api:80", "/", v1alpha1.ExpectDeny, ""},
	} {
		t.Run(name, func(t *testing.T) {
			from, err := attempt.ParseFrom(c.from)
			if err != nil {
				t.Fatal(err)
			}
			to, err := attempt.ParseTo(c.to)
			if err != nil {
				if c.want != "" {
					t.Fatal(err)
				}
				return
			}
			plan := attempt.Plan{From: from, To: to, Namespace: "shop", Home: "netladder-system", Expect: c.expect, HTTP: c.http, TTL: time.Minute}
			check, err := plan.Check("probe-x")
			if c.want == "" {
				if err == nil {
					t.Errorf("%+v", check)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			namespace, text, _ := strings.Cut(c.want, " ")
			want := v1alpha1.Path{Name: attempt.PathName, Expect: v1alpha1.ExpectAllow}
			if err := yaml.UnmarshalStrict([]byte(text), &want); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]v1alpha1.Path{want}, check.Spec.Paths, cmpopts.EquateEmpty()); d != "" || check.Namespace != namespace {
				t.Errorf("in %s:\n%s", check.Namespace, d)
			}
			if check.Annotations[v1alpha1.AnnotationTTL] != "1m0s" || check.Spec.Severity != v1alpha1.SeverityNone {
				t.Errorf("it would stay, or page somebody: %+v", check)
			}
		})
	}
}

// TestProgress: enough is known as soon as it is, and not before.
func TestProgress(t *testing.T) {
	type step struct {
		at     time.Duration
		status string // "-" for another generation
		done   bool
	}
	for name, steps := range map[string][]step{
		"works":           {{0, "-", false}, {time.Second, "{state: Pending, reason: Pending}", false}, {2 * time.Second, "{state: Passing, accepted: true}", true}},
		"is slow":         {{0, "{state: Degraded}", true}},
		"not permitted":   {{0, "{state: Unknown, reason: SourceNotPermitted}", true}},
		"policy":          {{0, "{state: Failing}", false}, {time.Second, "{state: Failing, diagnosis: {rung: Policy, reason: PolicyDenies}}", true}},
		"climbs":          {{0, "{state: Failing, diagnosis: {rung: Undetermined, reason: Unexplained}}", false}, {3 * time.Second, "{state: Failing, diagnosis: {rung: Overlay, reason: TunnelBroken}}", true}},
		"is never told":   {{0, "{state: Failing}", false}, {8 * time.Second, "{state: Failing}", false}, {9 * time.Second, "{state: Failing}", true}},
		"passes by":       {{0, "{state: Unknown, accepted: true, reason: ProberNotReady}", false}, {time.Minute, "{state: Unknown, accepted: true, reason: ProberNotReady}", false}},
		"no proof":        {{0, "{state: Unknown, accepted: true, reason: TargetNotListening}", false}, {5 * time.Second, "{state: Unknown, accepted: true, reason: TargetNotListening}", true}},
		"no proof yet":    {{0, "{state: Unknown, accepted: true, reason: PathNotProven}", false}, {4 * time.Second, "{state: Passing}", true}},
		"reasons change":  {{0, "{state: Unknown, accepted: true, reason: PathNotProven}", false}, {4 * time.Second, "{state: Unknown, accepted: true, reason: NoControl}", false}, {8 * time.Second, "{state: Unknown, accepted: true, reason: NoControl}", false}, {9 * time.Second, "{state: Unknown, accepted: true, reason: NoControl}", true}},
		"nothing matches": {{0, "{state: Pending, reason: NoTargets}", false}, {5 * time.Second, "{state: Pending, reason: NoTargets}", true}},
	} {
		t.Run(name, func(t *testing.T) {
			var p attempt.Progress
			start := time.Now()
			for i, s := range steps {
				check := &v1alpha1.ConnectivityCheck{}
				check.Generation = 1
				if s.status != "-" {
					check.Status.ObservedGeneration, check.Status.Paths = 1, make([]v1alpha1.PathStatus, 1)
					if err := yaml.Unmarshal([]byte(s.status), &check.Status.Paths[0]); err != nil {
						t.Fatal(err)
					}
				}
				_, done, again := p.News(check, start.Add(s.at))
				if done != s.done || done && again != 0 {
					t.Errorf("step %d: done %t, again %s", i, done, again)
				}
			}
		})
	}
}

// TestNewsAreSaidOnce, and not without end.
func TestNewsAreSaidOnce(t *testing.T) {
	var p attempt.Progress
	check := &v1alpha1.ConnectivityCheck{Status: v1alpha1.ConnectivityCheckStatus{Paths: []v1alpha1.PathStatus{{
		State: v1alpha1.StateFailing, Pairs: v1alpha1.PairCounts{Failing: 1},
		WorstPairs: []v1alpha1.WorstPair{{Source: "web-0", Target: "db-0:5432", State: v1alpha1.StateFailing, Verdict: v1alpha1.VerdictDropped, Evidence: "no answer within 900ms"}},
		Diagnosis:  &v1alpha1.PathDiagnosis{Rung: v1alpha1.RungPolicy, Reason: v1alpha1.ReasonPolicyDenies},
	}}}}
	news, _, _ := p.News(check, time.Now())
	if d := cmp.Diff([]string{"Failing, pairs: 1", "web-0 → db-0:5432: Failing Dropped (no answer within 900ms)", "diagnosis: Policy PolicyDenies"}, news); d != "" {
		t.Error(d)
	}
	if again, _, _ := p.News(check, time.Now()); len(again) > 0 {
		t.Errorf("said again: %q", again)
	}
	n := 0
	for i := range 200 {
		check.Status.Paths[0].WorstPairs[0].Evidence = strings.Repeat("x", i)
		news, _, _ := p.News(check, time.Now())
		n += len(news)
	}
	if n > 30 {
		t.Errorf("%d lines", n)
	}
}

func TestClimbed(t *testing.T) {
	a := &v1alpha1.ProbeAssignment{Status: v1alpha1.ProbeAssignmentStatus{Rungs: []v1alpha1.RungStatus{
		{Rung: v1alpha1.RungUnderlay, Probe: v1alpha1.ProbeICMP, Target: "node2/IPv4", Verdict: v1alpha1.VerdictConnected},
		{Rung: v1alpha1.RungPodNetwork, Probe: v1alpha1.ProbeMeshTCP, Target: "node2/IPv4", Verdict: v1alpha1.VerdictConnected},
		{Rung: v1alpha1.RungPodNetwork, Probe: v1alpha1.ProbeMeshTCP, Target: "node2/IPv6", Verdict: v1alpha1.VerdictDropped},
		{Rung: v1alpha1.RungOverlay, Probe: v1alpha1.ProbeTunnel, Target: "node3/IPv4", Verdict: v1alpha1.VerdictConnected},
		{Rung: v1alpha1.RungEndpoints, Probe: v1alpha1.ProbeTCP, Target: "10.0.0.1:80", Verdict: v1alpha1.VerdictConnected},
	}}}
	got := attempt.Climbed(a, &v1alpha1.WorstPair{SourceNode: "node1", TargetNode: "node2"})
	if d := cmp.Diff(map[v1alpha1.Rung]string{v1alpha1.RungUnderlay: "ICMP to node2: Connected"}, got); d != "" {
		t.Error(d)
	}
	if got := attempt.Climbed(a, &v1alpha1.WorstPair{}); len(got) > 0 {
		t.Errorf("%v", got)
	}
}
