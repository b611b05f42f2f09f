// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	authv1 "k8s.io/api/authentication/v1"
	authzv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	appsv1client "k8s.io/client-go/kubernetes/typed/apps/v1"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	clientconfig "sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/controllers/workload"
)

// stopTimeout is how long writes under way may take when the process stops.
const stopTimeout = 10 * time.Second

// Run is the controller process: it returns when the context ends, nil then,
// or when it cannot go on. The process must end after that. The logger is the
// context's.
func Run(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("options of the controller: %w", err)
	}
	if o.RESTConfig == nil {
		restConfig, err := clientconfig.GetConfig()
		if err != nil {
			return fmt.Errorf("finding the API server: %w", err)
		}
		o.RESTConfig = restConfig
	}
	if o.Identity == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("finding the own name for the Lease: %w", err)
		}
		o.Identity = name
	}
	return untilDone(ctx, func(ctx context.Context) error {
		if err := awaitAPIServer(ctx, o); err != nil {
			return fmt.Errorf("waiting for the API server: %w", err)
		}
		return run(ctx, o.withDefaults(), clock.RealClock{}, crmetrics.Registry)
	})
}

func run(ctx context.Context, o Options, c clock.WithTicker, registry prometheus.Registerer) error {
	full, err := newFullAccess(ctx, o, c)
	if err != nil {
		return err
	}
	if full != nil {
		o.Level = v1alpha1.LevelRestricted
	}
	w := newWorld(c, plan.Settings{Namespace: o.Namespace, SizeLimit: o.AssignmentSizeLimit, Level: o.Level, NoCanary: o.DisableCanary, Budgets: o.Budgets})
	w.runsOn, w.tolerations = workload.NodeSelector(o.NodeSelector), o.Tolerations
	mgr, err := newManager(ctx, o, w)
	if err != nil {
		return err
	}
	m := newMetrics()
	unregister, err := m.register(registry)
	if err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	defer unregister()
	if err := addIndexes(ctx, mgr, o.Namespace); err != nil {
		return err
	}
	if err := addStandby(mgr, o, m, c); err != nil {
		return err
	}
	if err := addControllers(ctx, mgr, o, w, m, c, full); err != nil {
		return err
	}
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("running the controllers: %w", err)
	}
	return nil
}

// newManager makes a manager without controllers.
func newManager(ctx context.Context, o Options, w *world) (manager.Manager, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	lock, err := leaseLock(o)
	if err != nil {
		return nil, err
	}
	mgr, err := manager.New(rest.CopyConfig(o.RESTConfig), manager.Options{
		Scheme: scheme,
		Logger: log.FromContext(ctx),
		// Known kinds only: an API server that goes away while this starts must
		// not end it.
		MapperProvider: func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return kinds(scheme) },
		Cache:          cacheOptions(o, watchErrors(w)),
		// A reconcile that follows a write must not compare with the past.
		Client:                              client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: ptr.To(true)}},
		Metrics:                             metricsOptions(o),
		HealthProbeBindAddress:              o.HealthProbeBindAddress,
		LeaderElection:                      o.LeaderElection,
		LeaderElectionResourceLockInterface: lock,
		LeaderElectionReleaseOnCancel:       true,
		// Longer than usual: status may wait for another leader.
		LeaseDuration:           ptr.To(leaseDuration),
		RenewDeadline:           ptr.To(renewDeadline),
		RetryPeriod:             ptr.To(2 * time.Second),
		GracefulShutdownTimeout: ptr.To(stopTimeout),
		// Names are unique within a process, of which tests start several in one.
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return nil, fmt.Errorf("adding health checks: %w", err)
	}
	return mgr, nil
}

// leaseDuration is for how long a Lease that is not renewed is its holder's.
const leaseDuration = 30 * time.Second

// renewDeadline is for how long a leader tries to renew its Lease; requests
// about it take half of that at most. After an outage for that long it starts
// anew, and waits until the API server answers: its informers would find out up
// to half a minute later, since they ask ever more rarely. The longer this is,
// the longer is the outage after which they are late.
const renewDeadline = 10 * time.Second

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("making the scheme: %w", err)
	}
	return scheme, nil
}

// leaseLock is the Lease that the leader holds.
func leaseLock(o Options) (resourcelock.Interface, error) {
	restConfig := rest.AddUserAgent(rest.CopyConfig(o.RESTConfig), "leader-election")
	restConfig.Timeout = renewDeadline / 2
	leases, err := coordinationv1client.NewForConfig(restConfig)
	if err != nil {
		return nil, fmt.Errorf("making the client of the leader election: %w", err)
	}
	deployments, err := appsv1client.NewForConfig(restConfig)
	if err != nil {
		return nil, fmt.Errorf("making the client of the leader election: %w", err)
	}
	return &resourcelock.LeaseLock{
		LeaseMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: leaseName},
		Client: ownedLeases{LeasesGetter: leases, owner: func(ctx context.Context) (*appsv1.Deployment, error) {
			return deployments.Deployments(o.Namespace).Get(ctx, o.DeploymentName, metav1.GetOptions{})
		}},
		LockConfig: resourcelock.ResourceLockConfig{Identity: o.Identity},
	}, nil
}

// kinds maps the kinds that the controller uses to their resources.
func kinds(scheme *runtime.Scheme) (meta.RESTMapper, error) {
	mapper := meta.NewDefaultRESTMapper(nil)
	for object, scope := range map[client.Object]meta.RESTScope{
		&v1alpha1.ConnectivityCheck{}:  meta.RESTScopeNamespace,
		&v1alpha1.ProbeAssignment{}:    meta.RESTScopeRoot,
		&v1alpha1.NetworkPolicyAudit{}: meta.RESTScopeNamespace,
		&corev1.Node{}:                 meta.RESTScopeRoot,
		&corev1.Namespace{}:            meta.RESTScopeRoot,
		&corev1.Pod{}:                  meta.RESTScopeNamespace,
		&corev1.Service{}:              meta.RESTScopeNamespace,
		&corev1.ConfigMap{}:            meta.RESTScopeNamespace,
		&corev1.Event{}:                meta.RESTScopeNamespace,
		&discoveryv1.EndpointSlice{}:   meta.RESTScopeNamespace,
		&networkingv1.NetworkPolicy{}:  meta.RESTScopeNamespace,
		&appsv1.DaemonSet{}:            meta.RESTScopeNamespace,
		&appsv1.Deployment{}:           meta.RESTScopeNamespace,
		&rbacv1.ClusterRole{}:          meta.RESTScopeRoot,
		&eventsv1.Event{}:              meta.RESTScopeNamespace,
		&authv1.TokenReview{}:          meta.RESTScopeRoot,
		&authzv1.SubjectAccessReview{}: meta.RESTScopeRoot,
	} {
		gvk, err := apiutil.GVKForObject(object, scheme)
		if err != nil {
			return nil, fmt.Errorf("finding the kind of %T: %w", object, err)
		}
		mapper.Add(gvk, scope)
		// The cache asks by the kind of the list.
		mapper.Add(gvk.GroupVersion().WithKind(gvk.Kind+"List"), scope)
	}
	return mapper, nil
}

func metricsOptions(o Options) metricsserver.Options {
	options := metricsserver.Options{BindAddress: o.MetricsBindAddress, CertDir: o.MetricsCertDir}
	if !o.MetricsInsecure {
		options.SecureServing = true
		options.FilterProvider = scrapeFilter(clock.RealClock{})
	}
	return options
}

// watchErrors notes when the API server could not be reached. Nobody could
// report then, so nobody's silence counts from before.
func watchErrors(w *world) toolscache.WatchErrorHandlerWithContext {
	return func(ctx context.Context, r *toolscache.Reflector, err error) {
		if !errors.Is(err, io.EOF) && !answered(err) {
			w.apiUnavailable()
		}
		toolscache.DefaultWatchErrorHandler(ctx, r, err)
	}
}

// answered is true if an error is the API server's answer to one request and
// says nothing of others, as when a kind is forbidden: that may last, and must
// not excuse silence for as long. What is wrong with the server itself, or with
// a proxy before it, comes as an answer too.
func answered(err error) bool {
	status := apierrors.APIStatus(nil)
	if !errors.As(err, &status) {
		return false
	}
	code := status.Status().Code
	return code >= http.StatusBadRequest && code < http.StatusInternalServerError && code != http.StatusTooManyRequests
}

// addControllers wires the queues together.
func addControllers(ctx context.Context, mgr manager.Manager, o Options, w *world, m *metrics, c clock.WithTicker, full *fullAccess) error {
	var (
		ticks  = &inbox[observation]{}
		nodes  = &inbox[reconcile.Request]{}
		checks = &inbox[reconcile.Request]{}
		start  = &inbox[reconcile.Request]{}
		reader = mgr.GetClient()
	)
	writer, err := newWriter(mgr, m)
	if err != nil {
		return err
	}
	role := &ownRole{live: mgr.GetAPIReader(), clock: c, name: o.ClusterRoleName}
	events := newAnnouncer(writer, m, c, o.Identity)
	leading := manager.RunnableFunc(func(ctx context.Context) error {
		defer m.leading(w)()
		<-ctx.Done()
		return nil
	})
	if err := errors.Join(mgr.Add(leading), mgr.Add(events)); err != nil {
		return fmt.Errorf("adding runnables: %w", err)
	}
	// Not the client's reads, which wait for writes that are under way: one slow
	// write must not stop the only worker that sees the cluster. What it misses
	// by that is told to it once it is written.
	observe := &observer{
		reader: mgr.GetCache(), world: w, metrics: m, nodes: nodes, checks: checks, ticks: ticks,
		namespace: o.Namespace, workloads: o.watchesWorkloads(),
	}
	var access *policyAccess
	if observe.workloads {
		if access, err = newPolicyAccess(ctx, mgr, w, ticks, checks); err != nil {
			return err
		}
		observe.policies = access.cache
	}
	var audits *auditor
	if o.audits() {
		if audits, err = newAuditor(ctx, mgr, w, c); err != nil {
			return err
		}
		observe.audits = audits.own
	}
	if err := observe.watch(mgr, ticks, builder.TypedControllerManagedBy[observation](mgr).
		WithOptions(controllerOptions[observation](c, 1))); err != nil {
		return err
	}
	if err := builder.ControllerManagedBy(mgr).Named("assign").WatchesRawSource(nodes).
		WithOptions(controllerOptions[reconcile.Request](c, 2)).
		Complete(&assigner{reader: reader, writer: writer, owner: role, world: w, metrics: m, checks: checks}); err != nil {
		return fmt.Errorf("adding the assigner: %w", err)
	}
	if err := builder.ControllerManagedBy(mgr).Named("report").WatchesRawSource(checks).
		WithOptions(controllerOptions[reconcile.Request](c, 2)).
		Complete(&reporter{reader: reader, writer: writer, world: w, events: events}); err != nil {
		return fmt.Errorf("adding the reporter: %w", err)
	}
	owner := &ownDeployment{live: mgr.GetAPIReader(), key: types.NamespacedName{Namespace: o.Namespace, Name: o.DeploymentName}}
	problems := &problems{owner: owner, events: events, clock: c, world: w, checks: checks, known: map[string]problem{}}
	if full != nil {
		full.problems = problems
		if err := mgr.Add(full); err != nil {
			return fmt.Errorf("adding the look for the role of level Full: %w", err)
		}
	}
	install := &installer{owner: owner, reader: reader, live: mgr.GetAPIReader(), writer: writer, options: o, problems: problems}
	look := &health{live: mgr.GetAPIReader(), reader: reader, options: o, problems: problems}
	canary, err := newCanaryPolicies(ctx, mgr, o.Namespace, w, start, checks)
	if err != nil {
		return err
	}
	if access != nil {
		if err := access.watch(mgr, problems, builder.ControllerManagedBy(mgr).WithOptions(controllerOptions[reconcile.Request](c, 1))); err != nil {
			return err
		}
	}
	if audits != nil {
		audits.writer, audits.owner, audits.events, audits.problems = writer, role, events, problems
		if err := audits.watch(mgr, builder.ControllerManagedBy(mgr).WithOptions(controllerOptions[reconcile.Request](c, 1))); err != nil {
			return err
		}
	}
	end := &expirer{reader: reader, writer: writer, clock: c}
	return errors.Join(
		end.watch(mgr, builder.ControllerManagedBy(mgr).WithOptions(controllerOptions[reconcile.Request](c, 1))),
		canary.watch(mgr, builder.ControllerManagedBy(mgr).WithOptions(controllerOptions[reconcile.Request](c, 1))),
		install.watch(mgr, start, builder.ControllerManagedBy(mgr).WithOptions(controllerOptions[reconcile.Request](c, 1))),
		look.watch(mgr, builder.ControllerManagedBy(mgr).WithOptions(controllerOptions[reconcile.Request](c, 1))),
	)
}
