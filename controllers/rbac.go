// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// What the controller may do, and nothing else. controller-gen makes
// config/rbac/role.yaml from it. docs/security.md says what each is for, and a run
// under the API server's audit log (make e2e-rbac) shows that each is used. What
// is watched needs no "get": it is read from memory.
//
// What is planned and judged, in all namespaces:
// +kubebuilder:rbac:groups="",resources=nodes;services,verbs=list;watch
// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,verbs=list;watch
// +kubebuilder:rbac:groups=netladder.io,resources=connectivitychecks,verbs=list;watch;delete
// +kubebuilder:rbac:groups=netladder.io,resources=connectivitychecks/status,verbs=patch
// +kubebuilder:rbac:groups=netladder.io,resources=probeassignments,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create
//
// Its own role, which owns what it writes in the cluster:
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,resourceNames=netladder-controller,verbs=get
//
// What is installed, in Netladder's own namespace:
// +kubebuilder:rbac:groups="",namespace=netladder-system,resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups="",namespace=netladder-system,resources=configmaps,verbs=create
// +kubebuilder:rbac:groups="",namespace=netladder-system,resources=configmaps,resourceNames=netladder-fleet,verbs=list;watch;patch
// +kubebuilder:rbac:groups=apps,namespace=netladder-system,resources=daemonsets,verbs=list;watch;create
// +kubebuilder:rbac:groups=apps,namespace=netladder-system,resources=daemonsets,resourceNames=netladder-prober;netladder-echo;netladder-canary,verbs=patch
// +kubebuilder:rbac:groups=apps,namespace=netladder-system,resources=daemonsets,resourceNames=netladder-canary,verbs=get;delete
// +kubebuilder:rbac:groups=networking.k8s.io,namespace=netladder-system,resources=networkpolicies,verbs=list;watch;create
// +kubebuilder:rbac:groups=networking.k8s.io,namespace=netladder-system,resources=networkpolicies,resourceNames=netladder-canary,verbs=get;patch;delete
// +kubebuilder:rbac:groups="",namespace=netladder-system,resources=events,verbs=list
// +kubebuilder:rbac:groups=apps,namespace=netladder-system,resources=deployments,resourceNames=netladder-controller,verbs=get
//
// Leader election:
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=netladder-system,resources=leases,verbs=create
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=netladder-system,resources=leases,resourceNames=netladder-controller,verbs=get;update
//
// Who asks for metrics, and whether they may:
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
