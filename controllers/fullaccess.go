// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// errPermitted ends a controller that was started without the role of level
// Full and has it now.
var errPermitted = errors.New("the role of level Full is there now")

const (
	// fullAccessEvery is how often it is looked for the role.
	fullAccessEvery = 10 * time.Second
	// fullAccessTimeout of the look.
	fullAccessTimeout = 10 * time.Second
	// fullAccessProblem names the problem.
	fullAccessProblem = "the role of level Full"
)

// fullAccess tells that the controller was asked for level Full and lacks the
// role for it, and ends it when that changes. Informers of what it may not
// read would never be filled, and nothing would run at all; so until then it
// works as at level Restricted.
type fullAccess struct {
	reader   client.Reader
	problems *problems
	clock    clock.WithTicker
	// lack is what the API server said.
	lack string
}

// newFullAccess returns nil if nothing is amiss: level Full was not asked for,
// or may be had.
func newFullAccess(ctx context.Context, o Options, c clock.WithTicker) (*fullAccess, error) {
	if o.Level != v1alpha1.LevelFull {
		return nil, nil
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	mapper, err := kinds(scheme)
	if err != nil {
		return nil, err
	}
	reader, err := client.New(rest.CopyConfig(o.RESTConfig), client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	f := &fullAccess{reader: reader, clock: c}
	if f.lack = f.ask(ctx); f.lack == "" {
		return nil, nil
	}
	return f, nil
}

// ask returns what the API server refuses; nothing if it refuses nothing, or
// does not say.
func (f *fullAccess) ask(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, fullAccessTimeout)
	defer cancel()
	for _, list := range []client.ObjectList{&corev1.PodList{}, &corev1.NamespaceList{}} {
		err := f.reader.List(ctx, list, client.Limit(1))
		if answer := apierrors.APIStatus(nil); apierrors.IsForbidden(err) && errors.As(err, &answer) {
			return answer.Status().Message
		}
	}
	return ""
}

// Start returns errPermitted when the role is there, or nil when the context
// ends. It is for the leader, as all that writes.
func (f *fullAccess) Start(ctx context.Context) error {
	f.problems.set(ctx, fullAccessProblem, problem{eventRoleMissing, fmt.Sprintf(
		"the controller has --level=%s and not the ClusterRole for it, and works as at level %s: kubectl apply -k config/full (%s)",
		v1alpha1.LevelFull, v1alpha1.LevelRestricted, f.lack)})
	ticker := f.clock.NewTicker(fullAccessEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
		if f.ask(ctx) == "" && ctx.Err() == nil {
			return errPermitted
		}
	}
}
