// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/log"
)

// errAway ends a controller that waits to lead when the API server was away for
// too long.
var errAway = errors.New("the API server was away")

// leaseLost is the whole text of the error by which a manager ends when it lost
// its Lease; it has no other name.
const leaseLost = "leader election lost"

// untilDone runs the controllers, and again when all that ended them is that
// the API server was away or that another one leads now: what they know may be
// old, so that they forget it and wait until somebody answers; or that they may
// do now what they could not. They do so within the process. One that ended each time would be restarted later and later, up
// to five minutes, just when API servers come and go, as in an upgrade.
func untilDone(ctx context.Context, run func(context.Context) error) error {
	for {
		err := run(ctx)
		if ctx.Err() != nil || !beginsAnew(err) {
			return err
		}
		log.FromContext(ctx).Info("Beginning anew", "reason", err.Error())
	}
}

func beginsAnew(err error) bool {
	return errors.Is(err, errAway) || errors.Is(err, errPermitted) || err != nil && strings.Contains(err.Error(), leaseLost)
}
