// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const (
	monitoringNamespace = "monitoring"
	// monitoringNode is where Prometheus and Alertmanager run, and what they
	// notify. Nothing is broken there but its tunnels.
	monitoringNode = "node1"
	// scraped is how often Prometheus scrapes and evaluates: hack/monitoring.
	scraped = 15 * time.Second
	// groupWait is how long Alertmanager holds a new alert back.
	groupWait = 30 * time.Second
)

// monitoring is a Prometheus that scrapes Netladder in the lab as it would in a
// cluster, with the rules that Netladder ships, and an Alertmanager that
// notifies the test.
type monitoring struct {
	prometheus   promv1.API
	alertmanager *http.Client
	// notified has everything that came to the webhook.
	notified *webhook
}

// startMonitoring runs both for the rest of the test, with nothing in them.
// The first time it builds them, which takes minutes.
func startMonitoring(t *testing.T) *monitoring {
	t.Helper()
	m := &monitoring{notified: receive(t)}
	t.Cleanup(func() { monitoringScript(context.WithoutCancel(t.Context()), t, 3*time.Minute, nil, "down") })
	monitoringScript(t.Context(), t, 20*time.Minute, []string{"ROUTES=" + routes(t, m.notified.url)}, "up")
	m.connect(t)
	eventually(t, 3*time.Minute, "Prometheus scrapes all of Netladder", m.scrapesAll)
	return m
}

// monitoringScript runs hack/monitoring.sh.
func monitoringScript(ctx context.Context, t *testing.T, within time.Duration, env []string, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	cmd := exec.CommandContext(ctx, "../../hack/monitoring.sh", command)
	cmd.Env = append(append(os.Environ(), "NETLADDER_LAB_NAME="+labName), env...)
	cmd.WaitDelay = 10 * time.Second // whatever it started does not hold the test
	out, err := cmd.CombinedOutput()
	t.Logf("hack/monitoring.sh %s\n%s", command, out)
	if err != nil {
		t.Errorf("hack/monitoring.sh %s: %v", command, err)
		if command == "up" {
			dump(t)
			t.FailNow()
		}
	}
}

// routes writes the lab's routes with the webhook as the receiver.
func routes(t *testing.T, url string) string {
	t.Helper()
	content, err := os.ReadFile("../../hack/monitoring/alertmanager.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(content, &config); err != nil {
		t.Fatal(err)
	}
	config["receivers"] = []any{map[string]any{
		"name":            config["route"].(map[string]any)["receiver"],
		"webhook_configs": []any{map[string]any{"url": url, "send_resolved": true}},
	}}
	if content, err = yaml.Marshal(config); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "alertmanager.yaml")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// connect makes clients that dial from the node of the pod, which no policy
// may forbid.
func (m *monitoring) connect(t *testing.T) {
	t.Helper()
	var pod corev1.Pod
	eventually(t, time.Minute, "one pod of monitoring", func(ctx context.Context) error {
		var list corev1.PodList
		if err := kube.List(ctx, &list, client.InNamespace(monitoringNamespace)); err != nil {
			return err
		}
		if len(list.Items) != 1 || list.Items[0].Status.PodIP == "" {
			return fmt.Errorf("there are %d pods", len(list.Items))
		}
		pod = list.Items[0]
		return nil
	})
	transport := func(port string) *http.Transport {
		tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return dialOnNode(pod.Spec.NodeName, net.JoinHostPort(pod.Status.PodIP, port))
		}}
		t.Cleanup(tr.CloseIdleConnections)
		return tr
	}
	c, err := api.NewClient(api.Config{Address: "http://prometheus", RoundTripper: transport("9090")})
	if err != nil {
		t.Fatal(err)
	}
	m.prometheus = promv1.NewAPI(c)
	m.alertmanager = &http.Client{Transport: transport("9093"), Timeout: 10 * time.Second}
}

// scrapesAll is nil when Prometheus has scraped each of Netladder's pods.
func (m *monitoring) scrapesAll(ctx context.Context) error {
	var errs error
	for _, component := range []string{"controller", "prober", "echo"} {
		var pods corev1.PodList
		if err := kube.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels{"app.kubernetes.io/component": component}); err != nil {
			return err
		}
		n, err := m.number(ctx, fmt.Sprintf(`sum(up{job="netladder-%s"})`, component))
		if err != nil {
			return err
		}
		if n == 0 || int(n) != len(pods.Items) {
			errs = fmt.Errorf("%v of %d pods of the %s are up; %w", n, len(pods.Items), component, m.targetErrors(ctx))
		}
	}
	return errs
}

// targetErrors says what Prometheus says about its targets.
func (m *monitoring) targetErrors(ctx context.Context) error {
	targets, err := m.prometheus.Targets(ctx)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d targets", len(targets.Active))
	for _, target := range targets.Active {
		if target.Health != promv1.HealthGood {
			text += fmt.Sprintf("; %s: %s", target.ScrapeURL, target.LastError)
		}
	}
	return fmt.Errorf("Prometheus has %s", text)
}

// vector asks Prometheus for an instant vector.
func (m *monitoring) vector(ctx context.Context, query string) (model.Vector, error) {
	value, _, err := m.prometheus.Query(ctx, query, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", query, err)
	}
	vector, ok := value.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("query %s: got a %s", query, value.Type())
	}
	return vector, nil
}

// number asks for the only sample of a vector; 0 without one.
func (m *monitoring) number(ctx context.Context, query string) (float64, error) {
	vector, err := m.vector(ctx, query)
	if err != nil || len(vector) == 0 {
		return 0, err
	}
	if len(vector) > 1 {
		return 0, fmt.Errorf("query %s: %d samples", query, len(vector))
	}
	return float64(vector[0].Value), nil
}

// alert is what Alertmanager tells of one.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	// Status is "firing" or "resolved" in a notification.
	Status string `json:"status"`
}

func (a alert) name() string { return a.Labels["alertname"] }

// held is an alert that Alertmanager holds.
type heldAlert struct {
	Labels map[string]string `json:"labels"`
	Status struct {
		State       string   `json:"state"`
		InhibitedBy []string `json:"inhibitedBy"`
	} `json:"status"`
}

// holding lists the alerts that Alertmanager has, whether or not it tells them.
func (m *monitoring) holding(ctx context.Context) ([]heldAlert, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://alertmanager/api/v2/alerts", nil)
	if err != nil {
		return nil, err
	}
	response, err := m.alertmanager.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("Alertmanager: %s: %s", response.Status, body)
	}
	var alerts []heldAlert
	return alerts, json.Unmarshal(body, &alerts)
}

// busy are the alerts that tell the truth of a machine with too much to do.
var busy = []string{"NetladderDNSSlow", "NetladderProbesUnmeasured"}

// isBusy tells whether this machine has several times as much to do as it can,
// and that these may be told.
func isBusy(alertname string) bool {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil || !slices.Contains(busy, alertname) {
		return false
	}
	var one, five float64
	_, err = fmt.Sscan(string(content), &one, &five)
	return err == nil && five > float64(4*runtime.NumCPU())
}

// silent is nil when no alert is firing.
func (m *monitoring) silent(ctx context.Context) error {
	alerts, err := m.vector(ctx, `ALERTS{alertstate="firing"}`)
	if err != nil {
		return err
	}
	for _, a := range alerts {
		if !isBusy(string(a.Metric[model.AlertNameLabel])) {
			return fmt.Errorf("%s", alerts)
		}
	}
	for _, n := range m.notified.open() {
		if !isBusy(n.name()) {
			return fmt.Errorf("not resolved: %s", n)
		}
	}
	return nil
}
