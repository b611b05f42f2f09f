// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/netladder/netladder/api/v1alpha1"
)

// standbyEvery is how often a controller that does not lead reads the Lease, to
// see whether the API server is there and somebody else leads.
const standbyEvery = 4 * time.Second

// standby watches over the leader from a controller that does not lead. It ends
// that controller when the API server was away for as long as a leader bears: its
// informers ask ever more rarely then, and it might lead as soon as the API server
// is back, by what they saw before the outage. It begins anew instead, waits, and
// reads what is there.
type standby struct {
	elected <-chan struct{}
	// ask reads the Lease; an error if nobody answers.
	ask func(context.Context) (lease, error)
	// follow begins to export what statuses say.
	follow func(context.Context) (end func(), err error)
	clock  clock.PassiveClock
	others renewals
}

// lease is who holds it, and when that was last renewed, by the holder's clock.
type lease struct {
	holder  string
	renewed time.Time
}

func addStandby(mgr manager.Manager, o Options, m *metrics, c clock.PassiveClock) error {
	config := rest.CopyConfig(o.RESTConfig)
	config.Timeout = askTimeout
	client, err := coordinationv1client.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client for the standby: %w", err)
	}
	s := &standby{elected: mgr.Elected(), clock: c, others: renewals{self: o.Identity}}
	s.ask = func(ctx context.Context) (lease, error) { return askLease(ctx, client.Leases(o.Namespace)) }
	s.follow = func(ctx context.Context) (func(), error) { return s.export(ctx, mgr.GetCache(), m.snapshot) }
	if err := mgr.Add(s); err != nil {
		return fmt.Errorf("adding the standby: %w", err)
	}
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (s *standby) NeedLeaderElection() bool { return false }

// Start returns nil when this controller leads or the context ends.
func (s *standby) Start(ctx context.Context) error {
	end, err := s.follow(ctx)
	if err != nil {
		return err
	}
	defer end()
	ticker := time.NewTicker(standbyEvery)
	defer ticker.Stop()
	for seen := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-s.elected:
			return nil
		case <-ticker.C:
		}
		held, err := s.ask(ctx)
		if err == nil {
			seen = time.Now()
			s.others.note(held, s.clock.Now())
		}
		if away := time.Since(seen); ctx.Err() == nil && away > renewDeadline {
			return fmt.Errorf("%w for %s: %w", errAway, away.Round(time.Second), err)
		}
	}
}

// export begins to export what the statuses of checks say. The informer is one
// that the leader needs too, and begins after the others: nothing waits for it.
func (s *standby) export(ctx context.Context, from cache.Cache, to *collector) (end func(), err error) {
	informer, err := from.GetInformer(ctx, &v1alpha1.ConnectivityCheck{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("making the informer of checks for the standby: %w", err)
	}
	to.standby.Store(&persisted{
		waits: func() bool {
			select {
			case <-s.elected:
				return false
			default:
				return true
			}
		},
		alive: func() bool { return s.others.alive(s.clock.Now()) },
		list: func() ([]v1alpha1.ConnectivityCheck, bool) {
			if !informer.HasSynced() {
				return nil, false
			}
			var list v1alpha1.ConnectivityCheckList
			err := from.List(ctx, &list) // no copies, by cacheOptions
			return list.Items, err == nil
		},
	})
	return func() { to.standby.Store(nil) }, nil
}

// askLease reads the Lease. Who is not told has at least been answered.
func askLease(ctx context.Context, leases coordinationv1client.LeaseInterface) (lease, error) {
	found, err := leases.Get(ctx, leaseName, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err), apierrors.IsNotFound(err):
		return lease{}, nil
	case err != nil:
		return lease{}, fmt.Errorf("reading the Lease: %w", err)
	}
	held := lease{holder: ptr.Deref(found.Spec.HolderIdentity, "")}
	if found.Spec.RenewTime != nil {
		held.renewed = found.Spec.RenewTime.Time
	}
	return held, nil
}

// renewals of the Lease by others, timed by one's own clock.
type renewals struct {
	self string

	mu   sync.Mutex
	last lease
	// seen is when the Lease was seen to be renewed; zero before that.
	seen time.Time
}

// note takes in the Lease. One that is seen for the first time may be old.
func (r *renewals) note(held lease, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case held.holder == "" || held.holder == r.self:
		r.seen = time.Time{}
	case r.last.holder != "" && !held.renewed.Equal(r.last.renewed):
		r.seen = now
	}
	r.last = held
}

// alive is true if the Lease was renewed within its duration.
func (r *renewals) alive(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.seen.IsZero() && now.Sub(r.seen) <= leaseDuration
}
