// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/status"
)

// Reasons of the events about the installation, on the controller's own
// Deployment.
const (
	// eventInstallFailed: the API server refuses what the controller installs.
	eventInstallFailed = "InstallFailed"
	// eventPodSecurity: the namespace admits no probers of level Full.
	eventPodSecurity = "PodSecurity"
	// eventRoleMissing: the controller has --level=Full and may not read what
	// that needs.
	eventRoleMissing = "RoleMissing"
	// eventPodsNotCreated: a DaemonSet's pods are refused.
	eventPodsNotCreated = "PodsNotCreated"
	// eventAuditAccess: NetworkPolicyAudits cannot be read.
	eventAuditAccess = "AuditAccess"
	// eventPolicyAccess: the controller may not read NetworkPolicies.
	eventPolicyAccess = "PolicyAccess"
)

// problem is one thing that keeps Netladder from being installed as its
// options say.
type problem struct {
	// reason of its event.
	reason string
	// message in one sentence, with what to do.
	message string
}

// problems tell of what is wrong with the installation where somebody looks:
// by an event on the Deployment when it begins, in the log, and for as long as
// it lasts in the condition Ready of every check that is not ready.
type problems struct {
	owner  *ownDeployment
	events *announcer
	clock  clock.PassiveClock
	world  *world
	checks *inbox[reconcile.Request]

	mu sync.Mutex
	// known by the name of the object that they are about.
	known map[string]problem
}

// set notes what is wrong with an object; the zero problem if nothing is.
func (p *problems) set(ctx context.Context, object string, now problem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.known[object]
	// Each pod that is refused has another name in its message.
	if before == now || now.reason == eventPodsNotCreated && before.reason == now.reason {
		return
	}
	if now.reason == "" {
		delete(p.known, object)
		log.FromContext(ctx).Info("Solved a problem of the installation", "object", object, "reason", before.reason)
	} else {
		p.known[object] = now
		log.FromContext(ctx).Info("Found a problem of the installation", "object", object, "reason", now.reason, "message", now.message)
		p.events.take(ctx, announcement{
			regarding: p.owner.reference(ctx), action: actionInstall, at: p.clock.Now(),
			event: status.Event{Type: status.Warning, Reason: now.reason, Message: now.message},
		})
	}
	var all []string
	for _, each := range p.known {
		all = append(all, each.message)
	}
	slices.Sort(all)
	for _, key := range p.world.setProblem(cut(strings.Join(all, "; "), maxNote)) {
		p.checks.addAfter(request(key), judgeDelay)
	}
}

// refused is the problem that an error of an apply tells of; the zero one if
// it tells of none that only a person can solve.
func refused(object string, err error) problem {
	var answer apierrors.APIStatus
	if err == nil || !errors.As(err, &answer) {
		return problem{}
	}
	switch code := answer.Status().Code; {
	case code < 400 || code >= 500, apierrors.IsConflict(err), apierrors.IsTooManyRequests(err), apierrors.IsUnauthorized(err):
		return problem{}
	}
	return problem{eventInstallFailed, fmt.Sprintf("%s cannot be installed: %s", object, answer.Status().Message)}
}

// labelPodSecurity on a namespace says which pods it admits.
const labelPodSecurity = "pod-security.kubernetes.io/enforce"

// podSecurity is the problem of a namespace that refuses probers of level
// Full. Without the label the API server's own configuration decides, which
// only its refusals tell.
func podSecurity(namespace *corev1.Namespace) problem {
	enforced, ok := namespace.Labels[labelPodSecurity]
	if !ok || enforced == "privileged" {
		return problem{}
	}
	return problem{eventPodSecurity, fmt.Sprintf(
		"namespace %s has the label %s=%s, so probers of --level=%s are refused: set the label to privileged, as config/full does, or start the controller with --level=%s",
		namespace.Name, labelPodSecurity, enforced, v1alpha1.LevelFull, v1alpha1.LevelRestricted)}
}

// ownDeployment is the controller's own Deployment, read once.
type ownDeployment struct {
	// live reads past the cache.
	live client.Reader
	key  types.NamespacedName

	mu   sync.Mutex
	read *appsv1.Deployment
}

func (o *ownDeployment) get(ctx context.Context) (*appsv1.Deployment, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.read != nil {
		return o.read, nil
	}
	var deployment appsv1.Deployment
	if err := o.live.Get(ctx, o.key, &deployment); err != nil {
		return nil, fmt.Errorf("reading the controller's own Deployment %s, which owns the probers: %w", o.key, err)
	}
	o.read = &deployment
	return o.read, nil
}

// reference for events; without the UID, by which kubectl finds them, while
// the Deployment cannot be read.
func (o *ownDeployment) reference(ctx context.Context) corev1.ObjectReference {
	out := corev1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: o.key.Namespace, Name: o.key.Name}
	if deployment, err := o.get(ctx); err == nil {
		out.UID = deployment.UID
	}
	return out
}
