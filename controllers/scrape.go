// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// How long the API server's word about a token counts, how many are kept, and
// how often it is asked: strangers must not turn a scrape into load on it.
//
// Who was allowed is asked about again without waiting among strangers, for as
// long as it is remembered: else anybody who can reach the port could keep
// Prometheus out.
const (
	allowedFor   = time.Minute
	deniedFor    = 10 * time.Second
	rememberFor  = 5 * time.Minute
	maxDecisions = 1000
	reviewsASec  = 10
)

// scrapeFilter admits to the metrics who presents a token (TokenReview) that
// may use the verb on the URL (SubjectAccessReview). controller-runtime's own
// filter does the same; it doubles the binary, which is also the prober's, by
// all of k8s.io/apiserver.
func scrapeFilter(c clock.PassiveClock) func(*rest.Config, *http.Client) (metricsserver.Filter, error) {
	return func(config *rest.Config, httpClient *http.Client) (metricsserver.Filter, error) {
		tokens, tokensErr := authenticationclient.NewForConfigAndClient(config, httpClient)
		access, accessErr := authorizationclient.NewForConfigAndClient(config, httpClient)
		if err := errors.Join(tokensErr, accessErr); err != nil {
			return nil, fmt.Errorf("making clients for reviews: %w", err)
		}
		api := reviewer{tokens: tokens.TokenReviews(), access: access.SubjectAccessReviews()}
		gate := &scrapeGate{
			review:    api.review,
			clock:     c,
			limiter:   rate.NewLimiter(reviewsASec, 2*reviewsASec),
			decisions: map[[sha256.Size]byte]decision{},
		}
		return func(l logr.Logger, next http.Handler) (http.Handler, error) { return gate.around(l, next), nil }, nil
	}
}

// question is what somebody who holds a token wants to do.
type question struct{ token, verb, path string }

// decision is the HTTP status that answers a question, until it expires.
type decision struct {
	status  int
	expires time.Time
}

// lately is true if somebody is allowed, or was not long ago.
func (d decision) lately(now time.Time) bool {
	return d.status == http.StatusOK && now.Before(d.expires.Add(rememberFor))
}

type scrapeGate struct {
	review  func(context.Context, question) (status int, err error)
	clock   clock.PassiveClock
	limiter *rate.Limiter

	mu        sync.Mutex
	decisions map[[sha256.Size]byte]decision
}

func (g *scrapeGate) around(l logr.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if token = strings.TrimSpace(token); !ok || token == "" {
			http.Error(w, "metrics need a bearer token", http.StatusUnauthorized)
			return
		}
		status, err := g.decide(r.Context(), question{token: token, verb: strings.ToLower(r.Method), path: r.URL.Path})
		if err != nil {
			l.Error(err, "Asking the API server who scrapes")
		}
		if status != http.StatusOK {
			http.Error(w, http.StatusText(status), status)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// decide answers from memory where it can. Tokens are kept as hashes only.
func (g *scrapeGate) decide(ctx context.Context, q question) (int, error) {
	key := sha256.Sum256([]byte(q.verb + "\x00" + q.path + "\x00" + q.token))
	g.mu.Lock()
	known, ok := g.decisions[key]
	g.mu.Unlock()
	now := g.clock.Now()
	if ok && now.Before(known.expires) {
		return known.status, nil
	}
	if !known.lately(now) && !g.limiter.Allow() {
		return http.StatusTooManyRequests, nil
	}
	status, err := g.review(ctx, q)
	if err != nil {
		return http.StatusInternalServerError, err
	}
	keep := deniedFor
	if status == http.StatusOK {
		keep = allowedFor
	}
	g.keep(key, decision{status: status, expires: g.clock.Now().Add(keep)})
	return status, nil
}

// keep remembers a decision. Where there is no room, those make it first who
// are not allowed: anybody can be many of them.
func (g *scrapeGate) keep(key [sha256.Size]byte, d decision) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.decisions[key]; !known && len(g.decisions) >= maxDecisions {
		maps.DeleteFunc(g.decisions, func(_ [sha256.Size]byte, d decision) bool { return !d.lately(g.clock.Now()) })
		if len(g.decisions) >= maxDecisions {
			clear(g.decisions) // who is allowed asks for very much; it costs only reviews
		}
	}
	g.decisions[key] = d
}

// reviewer asks the API server.
type reviewer struct {
	tokens authenticationclient.TokenReviewInterface
	access authorizationclient.SubjectAccessReviewInterface
}

// review returns the HTTP status that answers a question.
func (r reviewer) review(ctx context.Context, q question) (int, error) {
	who, err := r.tokens.Create(ctx,
		&authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: q.token}}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("reviewing a token: %w", err)
	}
	if !who.Status.Authenticated {
		return http.StatusUnauthorized, nil
	}
	extra := map[string]authorizationv1.ExtraValue{}
	for key, values := range who.Status.User.Extra {
		extra[key] = authorizationv1.ExtraValue(values)
	}
	may, err := r.access.Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: who.Status.User.Username, UID: who.Status.User.UID, Groups: who.Status.User.Groups, Extra: extra,
			NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: q.path, Verb: q.verb},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("reviewing the access of %s: %w", who.Status.User.Username, err)
	}
	if !may.Status.Allowed {
		return http.StatusForbidden, nil
	}
	return http.StatusOK, nil
}
