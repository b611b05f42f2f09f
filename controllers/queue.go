// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/controller"
)

// inbox is the source of a controller whose work other controllers hand to
// it. What comes before the controller has started waits.
type inbox[request comparable] struct {
	mu    sync.Mutex
	queue workqueue.TypedRateLimitingInterface[request]
	early []request
}

// Start implements source.TypedSource.
func (i *inbox[request]) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[request]) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.queue = queue
	for _, r := range i.early {
		queue.Add(r)
	}
	i.early = nil
	return nil
}

// addAfter hands over a request that is to be done after a while. One that is
// waiting already keeps its time, so that a stream of requests for the same is
// done once in a while and not never.
func (i *inbox[request]) addAfter(r request, after time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.queue == nil {
		i.early = append(i.early, r)
		return
	}
	i.queue.AddAfter(r, after)
}

// controllerOptions are the options of all of the controllers: their queues
// count time by the given clock.
func controllerOptions[request comparable](c clock.WithTicker, workers int) controller.TypedOptions[request] {
	return controller.TypedOptions[request]{
		MaxConcurrentReconciles: workers,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[request](200*time.Millisecond, time.Minute),
		NewQueue: func(name string, limiter workqueue.TypedRateLimiter[request]) workqueue.TypedRateLimitingInterface[request] {
			return workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[request]{
				Name: name, Clock: c,
			})
		},
	}
}

// until is the time from now to a deadline as a RequeueAfter: never 0, which
// would mean never, unless there is no deadline.
func until(deadline, now time.Time) time.Duration {
	if deadline.IsZero() {
		return 0
	}
	return max(deadline.Sub(now), time.Millisecond)
}
