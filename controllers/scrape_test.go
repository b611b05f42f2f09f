// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
)

// freeAddress is one that nobody listens on at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { must(t, l.Close()) }()
	return l.Addr().String()
}

func TestMetricsAreForThoseWhoMay(t *testing.T) {
	h := newCluster(t)
	role := &rbacv1.ClusterRole{}
	manifest(t, role, 0, "rbac", "metrics_reader.yaml")
	role.Name = h.namespace
	h.create(role)
	t.Cleanup(func() { h.delete(role) })
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: h.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: h.namespace, Name: "prometheus"}},
	}
	h.create(binding)
	t.Cleanup(func() { h.delete(binding) })
	token := func(name string) string {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, Name: name}}
		h.create(account)
		request := &authenticationv1.TokenRequest{}
		must(t, h.client.SubResource("token").Create(t.Context(), account, request))
		return request.Status.Token
	}
	prometheus, stranger := token("prometheus"), token("stranger")

	address := freeAddress(t)
	h.options.MetricsBindAddress = address
	h.start()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // self-signed
	defer transport.CloseIdleConnections()
	scrape := func(token string) (int, string, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/metrics", nil)
		must(t, err)
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		return response.StatusCode, string(body), err
	}
	h.eventually("metrics to be served", func() error {
		status, body, err := scrape(prometheus)
		if err == nil && (status != http.StatusOK || !strings.Contains(body, "go_goroutines")) {
			return fmt.Errorf("%d: %.200s", status, body)
		}
		return err
	})
	for name, c := range map[string]struct {
		token string
		want  int
	}{
		"no token":    {"", http.StatusUnauthorized},
		"not a token": {"x", http.StatusUnauthorized},
		"no role":     {stranger, http.StatusForbidden},
	} {
		if status, body, err := scrape(c.token); err != nil || status != c.want || strings.Contains(body, "go_goroutines") {
			t.Errorf("%s: %d (%v), want %d", name, status, err, c.want)
		}
	}
}

func TestScrapeGateRemembersAndBounds(t *testing.T) {
	clock := testingclock.NewFakePassiveClock(time.Now())
	reviews, answer := 0, http.StatusOK
	var failure error
	g := &scrapeGate{
		review:    func(context.Context, question) (int, error) { reviews++; return answer, failure },
		clock:     clock,
		limiter:   rate.NewLimiter(0, 4),
		decisions: map[[32]byte]decision{},
	}
	handler := g.around(logr.Discard(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	get := func(method, path, token string) int {
		request := httptest.NewRequest(method, path, nil)
		request.Header.Set("Authorization", "Bearer "+token)
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		return recorder.Code
	}
	expect := func(what string, code, wantCode, wantReviews int) {
		t.Helper()
		if code != wantCode || reviews != wantReviews {
			t.Errorf("%s: status %d after %d reviews, want %d after %d", what, code, reviews, wantCode, wantReviews)
		}
	}
	expect("first", get("GET", "/metrics", "a"), 200, 1)
	expect("again", get("GET", "/metrics", "a"), 200, 1)
	expect("other URL", get("GET", "/debug", "a"), 200, 2)
	answer = http.StatusForbidden
	expect("remembered", get("GET", "/metrics", "a"), 200, 2)
	clock.SetTime(clock.Now().Add(allowedFor))
	expect("expired", get("GET", "/metrics", "a"), 403, 3)
	failure = errors.New("no API server")
	expect("failure", get("GET", "/metrics", "b"), 500, 4)
	expect("a failure is not remembered", get("GET", "/metrics", "b"), 500, 5)
	expect("over budget, of which the renewal took nothing", get("GET", "/metrics", "c"), 429, 5)
}

// TestStrangersKeepNobodyOut: a flood of tokens that are worth nothing costs
// strangers their answer, and Prometheus nothing.
func TestStrangersKeepNobodyOut(t *testing.T) {
	clock := testingclock.NewFakeClock(time.Now())
	reviews := 0
	g := &scrapeGate{
		review: func(_ context.Context, q question) (int, error) {
			reviews++
			if q.token == "prometheus" {
				return http.StatusOK, nil
			}
			return http.StatusUnauthorized, nil
		},
		clock:     clock,
		limiter:   rate.NewLimiter(0, 2*maxDecisions),
		decisions: map[[32]byte]decision{},
	}
	status := func(token string) int {
		got, err := g.decide(t.Context(), question{token: token, verb: "get", path: "/metrics"})
		must(t, err)
		return got
	}
	flood := func(from, n int) {
		for i := range n {
			status(fmt.Sprint("stranger ", from+i))
		}
	}
	if got := status("prometheus"); got != http.StatusOK {
		t.Fatalf("at first: %d", got)
	}
	flood(0, maxDecisions)
	if before := reviews; status("prometheus") != http.StatusOK || reviews != before {
		t.Error("strangers make the gate forget who is allowed")
	}
	if len(g.decisions) > maxDecisions {
		t.Errorf("%d decisions are kept", len(g.decisions))
	}
	flood(maxDecisions, maxDecisions)
	if got := status("stranger x"); got != http.StatusTooManyRequests {
		t.Fatalf("strangers have not used up their budget: %d", got)
	}
	for range 10 {
		clock.Step(allowedFor + 30*time.Second)
		if before := reviews; status("prometheus") != http.StatusOK || reviews != before+1 {
			t.Fatal("a flood of strangers keeps out who was allowed, or lets them in unasked")
		}
	}
	clock.Step(allowedFor + rememberFor)
	if got := status("prometheus"); got != http.StatusTooManyRequests {
		t.Errorf("after a long time: %d, want it to be a stranger again", got)
	}
}

// TestAllowedAreBounded: those who are allowed may ask for many things.
func TestAllowedAreBounded(t *testing.T) {
	g := &scrapeGate{
		review:    func(context.Context, question) (int, error) { return http.StatusOK, nil },
		clock:     testingclock.NewFakeClock(time.Now()),
		limiter:   rate.NewLimiter(rate.Inf, 1),
		decisions: map[[32]byte]decision{},
	}
	for i := range 2*maxDecisions + 1 {
		if _, err := g.decide(t.Context(), question{token: "admin", verb: "get", path: fmt.Sprint("/", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(g.decisions) > maxDecisions {
		t.Errorf("%d decisions are kept", len(g.decisions))
	}
}
