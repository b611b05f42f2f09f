// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// standbyEvery is how often a controller that does not lead asks for the API
// server, as often as it asks for the Lease.
const standbyEvery = 4 * time.Second

// standby ends a controller that does not lead when the API server was away for
// as long as a leader bears. Its informers ask ever more rarely then: it might
// lead as soon as the API server is back, by what they saw before the outage.
// It begins anew instead, waits, and reads what is there.
type standby struct {
	elected <-chan struct{}
	ask     func(context.Context) error
}

func addStandby(mgr manager.Manager, o Options) error {
	config := rest.CopyConfig(o.RESTConfig)
	config.Timeout = askTimeout
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client for the standby: %w", err)
	}
	ask := func(ctx context.Context) error { return askAPIServer(ctx, client.RESTClient()) }
	if err := mgr.Add(&standby{elected: mgr.Elected(), ask: ask}); err != nil {
		return fmt.Errorf("adding the standby: %w", err)
	}
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (s *standby) NeedLeaderElection() bool { return false }

// Start returns nil when this controller leads or the context ends.
func (s *standby) Start(ctx context.Context) error {
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
		err := s.ask(ctx)
		if err == nil {
			seen = time.Now()
		}
		if away := time.Since(seen); ctx.Err() == nil && away > renewDeadline {
			return fmt.Errorf("%w for %s: %w", errAway, away.Round(time.Second), err)
		}
	}
}
