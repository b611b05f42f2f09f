// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/index"
	"github.com/netladder/netladder/controllers/workload"
)

// installer keeps what Netladder installs as it should be: the fleet
// ConfigMap, the DaemonSets and the canary's NetworkPolicy. The request is the name of one of them.
type installer struct {
	owner  *ownDeployment
	reader client.Reader
	// live reads past the cache.
	live     client.Reader
	writer   *writer
	options  Options
	problems *problems
}

// Reconcile applies one object. An apply that changes nothing costs nothing
// and is no event, so that it need not be compared before.
func (i *installer) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	settings, err := i.workloadSettings(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	var object runtime.ApplyConfiguration
	switch req.Name {
	case v1alpha1.ProberName:
		object = workload.Prober(settings)
	case v1alpha1.EchoName:
		object = workload.Echo(settings)
	case v1alpha1.CanaryName:
		if i.options.DisableCanary {
			return reconcile.Result{}, i.removeCanary(ctx)
		}
		err = i.isolateCanary(ctx, settings) // before the pods come
		object = workload.Canary(settings)
	case v1alpha1.FleetName:
		if object, err = i.fleet(ctx, settings); object == nil || err != nil {
			return reconcile.Result{}, err
		}
	default:
		return reconcile.Result{}, nil // somebody else's, with our label
	}
	if err == nil {
		err = i.writer.apply(ctx, writeInstall, object)
	}
	if found := refused(req.Name, err); err == nil || found != (problem{}) {
		i.problems.set(ctx, req.Name, found)
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("applying %s: %w", req.NamespacedName, err)
	}
	log.FromContext(ctx).V(1).Info("Applied", "object", req.NamespacedName)
	return reconcile.Result{}, nil
}

// fleet is nil if there is nothing to write: an API server without endpoints
// is one that nobody can have asked, so it is a moment's half-truth.
func (i *installer) fleet(ctx context.Context, settings workload.Settings) (runtime.ApplyConfiguration, error) {
	var endpointSlices discoveryv1.EndpointSliceList
	if err := i.reader.List(ctx, &endpointSlices, client.InNamespace(metav1.NamespaceDefault),
		client.MatchingFields{slicesByService: apiServerService}); err != nil {
		return nil, fmt.Errorf("listing the API server's endpoints: %w", err)
	}
	fleet := v1alpha1.Fleet{APIServers: index.APIServers(pointers(endpointSlices.Items))}
	if len(fleet.APIServers) == 0 {
		return nil, nil
	}
	var current corev1.ConfigMap
	key := types.NamespacedName{Namespace: settings.Namespace, Name: v1alpha1.FleetName}
	found, err := get(ctx, i.reader, key, &current)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(fleet)
	if err != nil {
		return nil, fmt.Errorf("encoding the fleet facts: %w", err)
	}
	if found && current.Data[v1alpha1.FleetFile] == string(text) && len(current.OwnerReferences) > 0 {
		return nil, nil
	}
	return workload.Fleet(settings, string(text)), nil
}

// apiServerService in the namespace default is the API server's own Service.
const apiServerService = "kubernetes"

// workloadSettings needs the Deployment's UID, which no pod can change without
// being replaced itself: it is read once.
func (i *installer) workloadSettings(ctx context.Context) (workload.Settings, error) {
	deployment, err := i.owner.get(ctx)
	if err != nil {
		return workload.Settings{}, err
	}
	return workload.Settings{
		Namespace:         i.options.Namespace,
		Owner:             workload.Owner{Name: deployment.Name, UID: deployment.UID},
		Level:             i.options.Level,
		Image:             i.options.Image,
		ImagePullPolicy:   i.options.ImagePullPolicy,
		ImagePullSecrets:  i.options.ImagePullSecrets,
		NodeSelector:      i.options.NodeSelector,
		Tolerations:       i.options.Tolerations,
		PodLabels:         i.options.PodLabels,
		PodAnnotations:    i.options.PodAnnotations,
		PriorityClassName: i.options.PriorityClassName,
		Prober:            i.options.ProberResources,
		Echo:              i.options.EchoResources,
		Canary:            i.options.CanaryResources,
	}, nil
}

// watch adds the installer to the manager. Every object is applied once when
// the leader starts, even if nothing is there to watch.
func (i *installer) watch(mgr manager.Manager, start *inbox[reconcile.Request], b *builder.Builder) error {
	for _, name := range []string{v1alpha1.FleetName, v1alpha1.EchoName, v1alpha1.ProberName, v1alpha1.CanaryName} {
		start.addAfter(request(types.NamespacedName{Namespace: i.options.Namespace, Name: name}), 0)
	}
	fleet := request(types.NamespacedName{Namespace: i.options.Namespace, Name: v1alpha1.FleetName})
	ofAPIServer := predicate.NewPredicateFuncs(func(obj client.Object) bool {
		s, ok := obj.(*discoveryv1.EndpointSlice)
		return ok && s.Namespace == metav1.NamespaceDefault && serviceOf(s) == apiServerService
	})
	err := b.Named("install").
		WatchesRawSource(start).
		Watches(&appsv1.DaemonSet{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(altered())).
		Watches(&corev1.ConfigMap{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(changed())).
		Watches(&discoveryv1.EndpointSlice{}, handler.EnqueueRequestsFromMapFunc(
			func(context.Context, client.Object) []reconcile.Request { return []reconcile.Request{fleet} },
		), builder.WithPredicates(ofAPIServer, changed())).
		Complete(i)
	if err != nil {
		return fmt.Errorf("adding the installer to %T: %w", mgr, err)
	}
	return nil
}

// altered lets pass what may have to be repaired: somebody changed or deleted
// the object. Its status is no drift, and neither is its appearance, since the
// leader applies everything once when it starts.
func altered() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() ||
				!equality.Semantic.DeepEqual(e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels()) ||
				!equality.Semantic.DeepEqual(e.ObjectOld.GetOwnerReferences(), e.ObjectNew.GetOwnerReferences())
		},
	}
}
