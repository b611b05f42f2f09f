// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// assigned waits until each of the nodes has an assignment with n groups, and
// the controller's time stands still afterwards.
func (h *cluster) assigned(nodes []string, groups int) {
	h.t.Helper()
	h.eventually("assignments", func() error {
		for _, name := range nodes {
			a, err := h.assignment(name)
			if err != nil {
				return err
			}
			if len(a.Spec.Groups) != groups {
				return fmt.Errorf("%s has %d groups, want %d", name, len(a.Spec.Groups), groups)
			}
		}
		return nil
	})
}

func (h *cluster) readyIs(check string, want metav1.ConditionStatus, reason string) {
	h.t.Helper()
	h.eventually("check "+check+" Ready="+string(want), func() error {
		c := h.check(check)
		ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil {
			return errors.New("no condition Ready")
		}
		if ready.Status != want || reason != "" && ready.Reason != reason {
			return fmt.Errorf("Ready is %s/%s: %s", ready.Status, ready.Reason, ready.Message)
		}
		return nil
	})
}

// events about an object of the test's namespaces.
func (h *cluster) events(name string) []eventsv1.Event {
	h.t.Helper()
	var out []eventsv1.Event
	for _, namespace := range append(h.tenants, h.namespace) {
		var list eventsv1.EventList
		must(h.t, h.client.List(h.t.Context(), &list, client.InNamespace(namespace)))
		out = append(out, list.Items...)
	}
	return slices.DeleteFunc(out, func(e eventsv1.Event) bool { return e.Regarding.Name != name })
}

func (h *cluster) hasEvent(check, reason string) {
	h.t.Helper()
	h.eventually("event "+reason, func() error {
		var seen []string
		for _, e := range h.events(check) {
			if e.Reason == reason {
				return nil
			}
			seen = append(seen, e.Reason)
		}
		return fmt.Errorf("seen: %v", seen)
	})
}
