// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/netladder/netladder/controllers/plan"
)

// Index holds the pods, namespaces and policies of a cluster so that an
// evaluation costs what the pair's own policies cost. It keeps the pointers
// that it is given and never changes what they point to. Reading it from
// several goroutines at once is safe while nobody writes.
type Index struct{}

// NewIndex returns an empty index.
func NewIndex() *Index { return &Index{} }

// SetPod adds a pod or replaces the one with its UID.
func (x *Index) SetPod(*plan.Pod) {}

// DeletePod removes a pod.
func (x *Index) DeletePod(types.UID) {}

// SetNamespace adds or replaces a namespace.
func (x *Index) SetNamespace(*plan.Namespace) {}

// DeleteNamespace removes a namespace.
func (x *Index) DeleteNamespace(string) {}

// SetPolicy adds or replaces a policy. A policy that the API server would not
// have accepted, such as one with a selector that cannot be parsed, isolates
// what it can be seen to select and admits nothing by the broken clause.
func (x *Index) SetPolicy(*networkingv1.NetworkPolicy) {}

// DeletePolicy removes a policy.
func (x *Index) DeletePolicy(types.NamespacedName) {}

// Evaluate says what the policies make of a connection.
func (x *Index) Evaluate(Flow) Result { return Result{} }

// Isolating are the policies that select a pod for a direction, sorted.
func (x *Index) Isolating(*plan.Pod, Direction) []types.NamespacedName { return nil }

// Policies of a namespace, sorted by name.
func (x *Index) Policies(namespace string) []*networkingv1.NetworkPolicy { return nil }

// Policy by name; nil if there is none.
func (x *Index) Policy(types.NamespacedName) *networkingv1.NetworkPolicy { return nil }

// Pods of a namespace, sorted by name.
func (x *Index) Pods(namespace string) []*plan.Pod { return nil }

// Pod by UID; nil if there is none.
func (x *Index) Pod(types.UID) *plan.Pod { return nil }

// Selected are the pods that a policy selects, sorted by name.
func (x *Index) Selected(types.NamespacedName) []*plan.Pod { return nil }

// Namespaces by name, sorted.
func (x *Index) Namespaces() []*plan.Namespace { return nil }
