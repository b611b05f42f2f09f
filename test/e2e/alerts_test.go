// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

const (
	segmentsNamespace = "alerts-segments"
	// notifyBound is the stated time from a fault to the notification: a status
	// tells it, it is scraped and evaluated, the alert stands for its minute, and
	// Alertmanager waits for what else there is.
	notifyBound = detectionBound + 2*scraped + time.Minute + groupWait
	// inForce is how long a fault stays after that: what would be told by mistake
	// has been told by then.
	inForce = time.Minute + groupWait
	// resolveBound is from the healing to the notification of it: alerts of causes
	// stand for three minutes longer, and Alertmanager tells once a minute.
	resolveBound = detectionBound + 2*scraped + 3*time.Minute + time.Minute + groupWait
)

// alertStory is a fault and what is told of it.
type alertStory struct {
	name string
	// prepare makes ready what takes time; nil where nothing does.
	prepare func(t *testing.T)
	inject  func(t *testing.T) (heal func())
	// path is one that fails by it.
	path pathRef
	// told are the alerts that notify somebody, each once, and what each says.
	told map[string][]string
	// held are alerts that fire too, and that those inhibit.
	held []string
	// meanwhile are queries that are true while it lasts.
	meanwhile []string
}

func alertStories() []alertStory {
	open := pathRef{segmentsNamespace, "segments", "web-must-not-reach-db"}
	return []alertStory{
		{
			name: "overlay between two nodes",
			inject: func(t *testing.T) func() {
				return breakNetwork(t, "vxlan", "node2", "node3")
			},
			path: pathRef{namespace, clusterNetwork, pathCrossNode},
			told: map[string][]string{"NetladderOverlayBroken": {"node2", "node3"}},
			held: []string{"NetladderPathFailing"},
		},
		{
			// Prometheus reaches the other controller alone, which says what the statuses do.
			name: "overlay between Prometheus and the leader",
			prepare: func(t *testing.T) {
				if leader(t) == monitoringNode {
					anotherLeads(t)
					calm(t)
				}
			},
			inject: func(t *testing.T) func() {
				return breakNetwork(t, "vxlan", leader(t), monitoringNode)
			},
			path:      pathRef{namespace, clusterNetwork, pathCrossNode},
			told:      map[string][]string{"NetladderOverlayBroken": {monitoringNode}},
			held:      []string{"NetladderPathFailing"},
			meanwhile: []string{"max(netladder_controller_leader) == 0", "max(netladder_controller_leader_alive) == 1"},
		},
		{
			name: "names",
			inject: func(t *testing.T) func() {
				scaleDNS(t, 0)
				return after(t, func(ctx context.Context) error {
					out, err := tryLab(ctx, "kubectl", "scale", "-n", "kube-system", "deployment/coredns", "--replicas=2")
					if err != nil {
						return fmt.Errorf("%w: %s", err, out)
					}
					return nil
				})
			},
			path: pathRef{namespace, clusterNetwork, pathDNSUDP},
			told: map[string][]string{"NetladderDNSFailing": {"kube-system/kube-dns", "no ready server"}},
			held: []string{"NetladderPathFailing"},
		},
		{
			name: "a Deny path is open",
			inject: func(t *testing.T) func() {
				policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: segmentsNamespace, Name: "db"}}
				if err := kube.Get(t.Context(), client.ObjectKeyFromObject(policy), policy); err != nil {
					t.Fatal(err)
				}
				if err := kube.Delete(t.Context(), policy); err != nil {
					t.Fatal(err)
				}
				again := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: policy.Namespace, Name: policy.Name}, Spec: policy.Spec}
				return after(t, func(ctx context.Context) error { return kube.Create(ctx, again) })
			},
			path: open,
			told: map[string][]string{"NetladderSegmentationBreach": {"no policy isolates db"}},
		},
	}
}

// TestFullAlerts breaks what Netladder's alerts are about, and holds what
// Alertmanager tells against what is to be told: each fault once, with the
// sentence of the diagnosis, and its end. A rollout tells nobody.
func TestFullAlerts(t *testing.T) {
	openSegments(t)
	m := startMonitoring(t)
	calm(t)
	eventually(t, 15*time.Minute, "no alert is left of before", m.silent)
	row("| fault | alert | to the status, s | to the notification, s | to the end, s | says |")
	row("|---|---|---|---|---|---|")
	for _, s := range alertStories() {
		t.Run(s.name, func(t *testing.T) { m.tell(t, s) })
	}
	t.Run("rollout of all of Netladder", m.rollout)
}

// row prints a line that hack/e2e-table.sh finds.
func row(format string, args ...any) { fmt.Printf("alerts: "+format+"\n", args...) }

// openSegments starts two pods, one of which must not reach the other.
func openSegments(t *testing.T) {
	t.Helper()
	makeNamespace(t, segmentsNamespace)
	web := label{"app", "web"}
	startApp(t, segmentsNamespace, "web", "node1", web)
	startApp(t, segmentsNamespace, "db", "node1", database, "--tcp=:5432")
	isolate(t, segmentsNamespace, "db", database.selector())
	create(t, segmentsNamespace, "segments", deny("web-must-not-reach-db", fromPods(web), toPods(database, 5432, "")))
	eventually(t, settled+grace, "the database is proven to be blocked",
		pathRef{segmentsNamespace, "segments", "web-must-not-reach-db"}.is(v1alpha1.StatePassing, ""))
}

// tell runs one story.
func (m *monitoring) tell(t *testing.T, s alertStory) {
	if s.prepare != nil {
		s.prepare(t)
		eventually(t, 3*time.Minute, "Prometheus scrapes all of Netladder", m.scrapesAll)
	}
	start := time.Now()
	heal := s.inject(t)
	status := eventually(t, slack*detectionBound+settled, "the status tells it", s.path.is(v1alpha1.StateFailing, ""))
	before := diagnoses(t)
	eventually(t, slack*notifyBound, "the notifications", func(context.Context) error { return s.missing(m.notified.since(start), "firing") })
	firing := m.notified.since(start)
	saysWhy(t, firing, before)
	pause(t, inForce)
	m.inhibits(t, s.held)
	for _, query := range s.meanwhile {
		if found, err := m.vector(t.Context(), query); err != nil || len(found) == 0 {
			t.Errorf("not so while it lasted: %s (%v)", query, err)
		}
	}
	healed := time.Now()
	heal()
	eventually(t, slack*resolveBound, "all are resolved", func(context.Context) error { return s.missing(m.notified.since(start), "resolved") })
	// What an outage leaves behind, such as a budget that is spent, is not to be told
	// after it.
	eventually(t, 15*time.Minute, "no alert is left", m.silent)
	s.judge(t, m.notified.since(start))
	for _, n := range firing {
		says := n.Annotations["description"]
		end := m.notified.end(n)
		row("| %s | %s | %.0f | %.0f | %.0f | %s |", s.name, n.name(), status.Seconds(), n.at.Sub(start).Seconds(), end.Sub(healed).Seconds(),
			strings.ReplaceAll(says, "|", "/"))
	}
}

// saysWhy fails the test unless each notification has what the status of some
// path says, or said shortly before.
func saysWhy(t *testing.T, told []notification, before []diagnosed) {
	t.Helper()
	seen := slices.Concat(before, diagnoses(t))
	for _, n := range told {
		says := n.Annotations["description"]
		if !slices.ContainsFunc(seen, func(d diagnosed) bool { return d.it != nil && strings.Contains(says, sentence(d.it.Message)) }) {
			t.Errorf("%s does not have what the status says: %s", n.name(), says)
			for _, d := range seen {
				t.Logf("%s: %s", d.at, d.text())
			}
		}
	}
}

// sentence is how much of a diagnosis a metric carries for sure.
func sentence(message string) string {
	first, _, _ := strings.Cut(message, ". ")
	return strings.TrimSuffix(first[:min(len(first), 250)], ".")
}

// missing is nil when each of the alerts was told with a status.
func (s alertStory) missing(told []notification, status string) error {
	var errs []error
	for name := range s.told {
		if !slices.ContainsFunc(told, func(n notification) bool { return n.name() == name && n.Status == status }) {
			errs = append(errs, fmt.Errorf("%s was not told as %s; told was %v", name, status, told))
		}
	}
	return errors.Join(errs...)
}

// judge fails the test if anything else was told than what is to be, or
// anything twice.
func (s alertStory) judge(t *testing.T, told []notification) {
	t.Helper()
	times := map[string]int{}
	for _, n := range told {
		t.Logf("told: %s: %s", n, n.Annotations["description"])
		if isBusy(n.name()) {
			continue
		}
		times[n.name()+" "+n.Status]++
		fragments, expected := s.told[n.name()]
		if !expected {
			t.Errorf("not to be told: %s", n)
			continue
		}
		for _, f := range fragments {
			if !strings.Contains(n.Annotations["description"], f) {
				t.Errorf("%s does not say %q: %s", n.name(), f, n.Annotations["description"])
			}
		}
	}
	for what, n := range times {
		if n > 1 {
			t.Errorf("told %d times: %s", n, what)
		}
	}
}

// inhibits fails the test if other alerts are held back than these.
func (m *monitoring) inhibits(t *testing.T, names []string) {
	t.Helper()
	alerts, err := m.holding(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, a := range alerts {
		name := a.Labels["alertname"]
		t.Logf("Alertmanager has %s %v: %s", name, a.Labels, a.Status.State)
		if a.Status.State != "suppressed" {
			continue
		}
		found[name]++
		if !slices.Contains(names, name) {
			t.Logf("%s is inhibited too", name)
		}
	}
	for _, name := range names {
		if found[name] == 0 {
			t.Errorf("no %s is inhibited", name)
		}
	}
}

// rollout restarts everything of Netladder, and nobody is told.
func (m *monitoring) rollout(t *testing.T) {
	start := time.Now()
	for _, workload := range []string{"ds/" + v1alpha1.ProberName, "ds/" + v1alpha1.EchoName, "deploy/netladder-controller"} {
		kubectl(t, "-n", namespace, "rollout", "restart", workload)
		kubectl(t, "-n", namespace, "rollout", "status", workload, "--timeout=300s")
	}
	rolled := time.Since(start)
	pause(t, notifyBound)
	eventually(t, time.Minute, "Prometheus scrapes all of Netladder again", m.scrapesAll)
	fired, err := m.vector(t.Context(), fmt.Sprintf(`count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[%ds]))`, int(time.Since(start).Seconds())))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range fired {
		if !isBusy(string(a.Metric[model.AlertNameLabel])) {
			t.Errorf("fired although nothing is wrong: %s", a)
		}
	}
	pending, err := m.vector(t.Context(), fmt.Sprintf(`count by (alertname, check, path, rung) (count_over_time(ALERTS{alertstate="pending"}[%ds]))`, int(time.Since(start).Seconds())))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("pending for a while: %s", pending)
	told := m.notified.since(start)
	for _, n := range told {
		if !isBusy(n.name()) {
			t.Errorf("told although nothing is wrong: %s", n)
		}
	}
	row("| rollout of all of Netladder (%.0f s) | %d | | | | |", rolled.Seconds(), len(told))
}

// openCertificates starts a pod with a certificate, and a check that meets it.
func openCertificates(t *testing.T) {
	t.Helper()
	const ns = "alerts-certificates"
	makeNamespace(t, ns)
	startApp(t, ns, "client", "node1", cart)
	server := startApp(t, ns, "server", "node1", payment, fmt.Sprintf("--https=:%d", paymentPort), "--certificate-name="+shopName)
	path := allow("pay", fromPods(cart), toPods(payment, paymentPort, ""))
	path.TLS = &v1alpha1.TLSLayer{ServerName: shopName, CABundle: string(ask(t, server, http.MethodGet, "/ca"))}
	create(t, ns, "certificates", path)
	eventually(t, settled+grace, "the certificate is met", pathRef{ns, "certificates", "pay"}.is(v1alpha1.StatePassing, ""))
}
